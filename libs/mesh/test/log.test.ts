import { createLogger, DomainError } from '@bitka/kernel'
import { ListFillsRequestSchema } from '@bitka/proto/bitka/order/v1/order_pb'
import { create } from '@bufbuild/protobuf'
import { redactMessage } from '../src/index.ts'
import { EchoRequestSchema } from './echo.ts'
import { bindEcho, Harness, refusal } from './harness.ts'

const message = {
  text: 'shown',
  secret: 'hunter2',
  email: 'ada@example.org',
  balance: 9_007_199_254_740_993n,
  unclassified: 'forgotten',
  blob: new Uint8Array(3),
}

it('shows of a message what its fields may show', () => {
  const request = create(EchoRequestSchema, { ...message, many: [{ secret: 'inner', text: 'inside' }] })
  expect(redactMessage(EchoRequestSchema, request)).toEqual({
    text: 'shown',
    secret: '[redacted]',
    email: '[redacted]',
    balance: '9007199254740993',
    unclassified: '[redacted]',
    blob: '3 bytes',
    many: [{ text: 'inside', secret: '[redacted]' }],
  })
})

it('shows that a time cannot be read, and does not fail over it', () => {
  const request = create(ListFillsRequestSchema, { symbol: 'BTC-THB', from: { seconds: 9_000_000_000_000_000n } })
  expect(redactMessage(ListFillsRequestSchema, request)).toEqual({ symbol: 'BTC-THB', from: '[unreadable]' })
})

describe('a server', () => {
  let harness: Harness
  beforeAll(async () => {
    harness = await Harness.open()
  })
  afterAll(() => harness.close())

  async function linesOf(level: string, echo: Parameters<typeof bindEcho>[0]) {
    const lines: Record<string, unknown>[] = []
    const log = createLogger('ledger', { level, destination: { write: (line) => lines.push(JSON.parse(line)) } })
    const server = await harness.serve({ log, services: [bindEcho(echo)] })
    const gateway = harness.client(server, 'gateway')
    await gateway.echo(message, { ctx: { requestId: 'r-1' } }).catch(() => {})
    await gateway.whoAmI(message, { token: 'hunter3' })
    await server.drain(0)
    expect(JSON.stringify(lines)).not.toMatch(/hunter|ada@|forgotten/)
    return lines.filter((line) => line.msg !== 'mesh server listens')
  }

  it('writes one line a request', async () => {
    const lines = await linesOf('info', {})
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatchObject({
      msg: 'rpc',
      request_id: 'r-1',
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      method: '/bitka.test.v1.EchoService/Echo',
      caller: 'gateway',
      outcome: 'ok',
      ms: expect.any(Number),
    })
    expect(lines[1]).toMatchObject({ user_id: 'u' })
  })

  it('adds the request when debugging', async () => {
    const lines = await linesOf('debug', {})
    expect(lines[0]).toMatchObject({ request: { text: 'shown', secret: '[redacted]', balance: '9007199254740993' } })
  })

  it('writes the whole cause of an unexpected error, under the id that the caller was given', async () => {
    const echo = () => Promise.reject(new Error('relation "accounts" does not exist'))
    const lines = await linesOf('info', { echo })
    expect(lines[0]).toMatchObject({
      msg: 'unexpected error',
      err: { message: 'relation "accounts" does not exist', stack: expect.stringContaining('log.test.ts') },
      request_id: 'r-1',
      error_id: expect.any(String),
    })
    expect(lines[1]).toMatchObject({ outcome: 'internal', request: { text: 'shown' } })
  })

  it('takes an answer that cannot be encoded for the bug that it is', async () => {
    const lines: string[] = []
    const log = createLogger('ledger', { destination: { write: (line) => lines.push(line) } })
    const echo = async () => ({ count: 2n ** 80n })
    const order = harness.client(await harness.serve({ log, services: [bindEcho({ echo })] }), 'order')
    const caught = await refusal(order.echo({}))
    expect(caught).toBeInstanceOf(DomainError)
    expect(caught).toMatchObject({ kind: 'internal', details: { error_id: expect.any(String) } })
    expect(lines.join('')).toContain('EchoResponse.count')
  })
})
