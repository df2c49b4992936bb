import { connect } from 'node:http2'
import { DomainError } from '@bitka/kernel'
import { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { OperationsService } from '@bitka/proto/bitka/operations/v1/operations_pb'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { ErrorInfoSchema } from '@bitka/proto/google/rpc/error_details_pb'
import { waitFor } from '@bitka/testkit'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node'
import type { RunningGateway } from '../src/service.ts'
import { Source, token, World } from './world.ts'

let world: World
let gateway: RunningGateway
const transports = new Map<string, Transport>()

beforeAll(async () => {
  world = await World.open()
  gateway = await world.gateway({ BITKA_GRPC_PORT: '0', BITKA_RATE_LIMIT_SCALE: '0', BITKA_STREAMS_PER_ADDRESS: '1' })
  const baseUrl = `http://127.0.0.1:${gateway.port}`
  transports.set('Connect', createConnectTransport({ baseUrl, httpVersion: '1.1' }))
  transports.set('Connect with JSON', createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }))
  transports.set('gRPC-Web', createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }))
  transports.set('gRPC', createGrpcTransport({ baseUrl: `http://127.0.0.1:${gateway.grpcPort}` }))
})
afterAll(() => world.close())
beforeEach(() => world.handlers.clear())

const bearer = (options = {}) => ({ headers: { authorization: `Bearer ${token(options)}` } })
const errorOf = async (promise: Promise<unknown>): Promise<ConnectError> => {
  try {
    await promise
  } catch (error) {
    return ConnectError.from(error)
  }
  throw new Error('it was not refused')
}

describe.each(['Connect', 'Connect with JSON', 'gRPC-Web', 'gRPC'])('%s', (name) => {
  const client = <S extends Parameters<typeof createClient>[0]>(desc: S) => createClient(desc, transports.get(name)!)

  it('calls a method as the user, with the key and the address', async () => {
    world.on('CreateOrder', async () => ({ orderId: 'o1', status: 2 }))
    const headers = { ...bearer({ userId: 'u1' }).headers, 'idempotency-key': 'k', prefer: 'wait=1' }
    const response = await client(OrderService).createOrder({ symbol: 'BTC-THB', metadata: { a: 1 } }, { headers })
    expect(response).toMatchObject({ orderId: 'o1', status: 2 })
    expect(world.last.ctx).toMatchObject({ idempotencyKey: 'k', prefer: 'wait=1', clientAddress: '127.0.0.1' })
    expect(world.last.ctx.user?.userId).toBe('u1')
    expect(world.last.request).toMatchObject({ symbol: 'BTC-THB', metadata: { a: 1 } })
  })

  it('has the same rules for tokens', async () => {
    expect((await errorOf(client(OrderService).listOrders({}))).code).toBe(Code.Unauthenticated)
    world.on('Login', async () => ({ accessToken: 'a' }))
    const bad = { headers: { authorization: 'Bearer bad' } }
    expect((await errorOf(client(MarketDataService).getTime({}, bad))).code).toBe(Code.Unauthenticated)
    expect((await client(AuthService).login({ identifier: 'a', password: 'b' }, bad)).accessToken).toBe('a')
  })

  it('tells errors by code, with the REST code and the fields', async () => {
    world.on('CreateTransaction', async () => {
      throw new DomainError('insufficient_funds', 'Not enough.', { amount: 'is too large' })
    })
    const error = await errorOf(client(LedgerService).createTransaction({}, bearer()))
    expect([error.code, error.rawMessage]).toEqual([Code.FailedPrecondition, 'Not enough.'])
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { reason: 'INSUFFICIENT_FUNDS', domain: 'bitka', metadata: { amount: 'is too large' } },
    ])
    world.on('CreateTransaction', async () => {
      throw new Error('secret host name')
    })
    const bug = await errorOf(client(LedgerService).createTransaction({}, bearer()))
    expect(bug.code).toBe(Code.Internal)
    expect(bug.message).not.toContain('secret')
  })

  it('refuses text that the JSON reader would refuse', async () => {
    const error = await errorOf(client(AuthService).login({ identifier: 'a\0b', password: 'x' }))
    expect(error.code).toBe(Code.InvalidArgument)
  })

  it('sends operators’ calls to the service they name', async () => {
    world.on('ListDeadLetters', async () => ({ items: [] }))
    await client(OperationsService).listDeadLetters({ service: 'audit' }, bearer())
    expect(world.last.service).toBe('audit')
    const error = await errorOf(client(OperationsService).listDeadLetters({ service: 'nope' }, bearer()))
    expect(error.code).toBe(Code.NotFound)
  })

  it('streams, within the slots of the address, until the client leaves', async () => {
    const source = new Source<object>()
    let left = false
    world.on('StreamTrades', (_request, { signal }) => {
      signal.addEventListener('abort', () => {
        left = true
      })
      return source
    })
    const controller = new AbortController()
    const stream = client(MarketDataService).streamTrades({ symbol: 'BTC-THB' }, { signal: controller.signal })
    const messages = stream[Symbol.asyncIterator]()
    source.push({ items: [{ tradeId: 't1' }] })
    expect((await messages.next()).value).toMatchObject({ items: [{ tradeId: 't1' }] })
    const second = client(MarketDataService).streamTrades({ symbol: 'BTC-THB' })
    expect((await errorOf(second[Symbol.asyncIterator]().next())).code).toBe(Code.ResourceExhausted)
    controller.abort()
    await errorOf(messages.next())
    await waitFor(() => left)
  })

  it('ends a private stream with its token', async () => {
    world.on('StreamOrders', () => new Source())
    const headers = bearer({ expiresInMs: 1_200 })
    const messages = client(OrderService).streamOrders({}, headers)[Symbol.asyncIterator]()
    expect((await errorOf(messages.next())).code).toBe(Code.Unauthenticated)
  })

  it('refuses times and numbers that the JSON reader would refuse', async () => {
    const from = { seconds: 9_000_000_000_000_000n, nanos: 0 }
    if (name !== 'Connect with JSON') {
      const late = await errorOf(client(OrderService).listFills({ from }, bearer()))
      expect(late.findDetails(ErrorInfoSchema)[0]?.metadata).toHaveProperty('from')
      const metadata = { a: Number.NaN }
      const noNumber = await errorOf(client(OrderService).createOrder({ metadata }, bearer()))
      expect(noNumber.findDetails(ErrorInfoSchema)[0]?.metadata).toHaveProperty('metadata')
    }
  })

  it('takes no message above 64 KiB', async () => {
    const identifier = 'x'.repeat(70_000)
    expect((await errorOf(client(AuthService).login({ identifier }))).code).toBe(Code.ResourceExhausted)
  })
})

describe('over plain HTTP', () => {
  const post = (port: number, body: Buffer | string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${port}/bitka.order.v1.OrderService/CreateOrder`, {
      method: 'POST',
      headers: { 'content-type': 'application/proto', authorization: `Bearer ${token()}`, ...headers },
      body,
    })

  const noise = Buffer.from('ffffffffffff', 'hex')
  const enveloped = Buffer.concat([Buffer.of(0, 0, 0, 0, noise.length), noise])
  const undecodable = 'The%20message%20cannot%20be%20decoded.'

  it('a message that is no protobuf is its sender’s fault, and counts', async () => {
    const { port } = await world.gateway({ BITKA_LIMIT_ORDERS_BURST: '2', BITKA_LIMIT_ORDERS_PER_SECOND: '1' })
    const headers = { authorization: `Bearer ${token({ userId: 'u1' })}` }
    const answer = await post(port, noise, headers)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({ code: 'invalid_argument', message: 'The message cannot be decoded.' })
    const statuses = [(await post(port, noise, headers)).status, (await post(port, noise, headers)).status]
    expect(statuses).toEqual([400, 429])
  })

  it('gRPC-Web and a Connect stream say so in their own words', async () => {
    for (const type of ['application/grpc-web+proto', 'application/grpc-web']) {
      const answer = await post(gateway.port, enveloped, { 'content-type': type })
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('grpc-status: 3\r\n')])
    }
    const web = await post(gateway.port, enveloped, { 'content-type': 'application/grpc-web+proto' })
    const bytes = Buffer.from(await web.arrayBuffer())
    expect(bytes.toString('latin1')).toContain(`grpc-message: ${undecodable}\r\n`)
    // The length before the text is that of the new text.
    expect([bytes[0], bytes.readUInt32BE(1)]).toEqual([0x80, bytes.length - 5])
    const url = `http://127.0.0.1:${gateway.port}/bitka.market_data.v1.MarketDataService/StreamTrades`
    const stream = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/connect+proto' },
      body: enveloped,
    })
    expect((await stream.text()).slice(5)).toBe(
      JSON.stringify({ error: { code: 'invalid_argument', message: 'The message cannot be decoded.' } }),
    )
  })

  it('gRPC says so in its trailers', async () => {
    const session = connect(`http://127.0.0.1:${gateway.grpcPort}`)
    try {
      const request = session.request({
        ':method': 'POST',
        ':path': '/bitka.order.v1.OrderService/CreateOrder',
        'content-type': 'application/grpc+proto',
        te: 'trailers',
        authorization: `Bearer ${token()}`,
      })
      const [trailers] = await Promise.all([
        new Promise((resolve) => {
          request.once('trailers', resolve)
        }),
        request.resume().end(enveloped),
      ])
      expect(trailers).toMatchObject({ 'grpc-status': '3', 'grpc-message': undecodable })
    } finally {
      session.close()
    }
  })

  it('who may not call is told so before the message is read', async () => {
    for (const type of ['application/proto', 'application/json', 'application/grpc-web+proto']) {
      const answer = await post(gateway.port, noise, { authorization: 'Bearer bad', 'content-type': type })
      const told = `${answer.headers.get('grpc-status') ?? ''}${await answer.text()}`
      expect(told).toMatch(/unauthenticated|16/)
    }
  })

  it('a deadline that is over is 504, another verb 405', async () => {
    const answer = await post(gateway.port, '', { 'connect-timeout-ms': '0' })
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([504, 'deadline_exceeded'])
    const url = `http://127.0.0.1:${gateway.port}/bitka.order.v1.OrderService/CreateOrder`
    const other = await fetch(url)
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'OPTIONS, POST'])
  })
})
