import { once } from 'node:events'
import { WebSocket } from 'ws'
import { TestExchange } from './exchange.ts'
import type { Person } from './person.ts'
import { call, dataOf, essence, refusal } from './rest.ts'

let exchange: TestExchange
let alice: Person
beforeAll(async () => {
  exchange = await TestExchange.startOwn({
    BITKA_RATE_LIMIT_SCALE: '1',
    BITKA_PUBLIC_MARKETDATA: 'false',
    BITKA_LIMIT_ANONYMOUS_PER_MINUTE: '70',
    BITKA_STREAMS_PER_ADDRESS: '1',
  })
  alice = await exchange.person('alice')
}, 120_000)
afterAll(() => exchange?.stop())

it('market data needs a token where the exchange says so; the clock does not', async () => {
  for (const path of ['symbols', 'ticks', 'candles', 'orderbook/BTC-THB', 'orderbook/BTC-THB/history']) {
    const whole = `/v1/marketdata/${path}`
    expect(essence(await call(exchange.url, 'GET', whole))).toEqual(refusal('UNAUTHORIZED', whole))
  }
  expect((await alice.get('/v1/marketdata/symbols')).status).toBe(200)
  expect((await call(exchange.url, 'GET', '/v1/time')).status).toBe(200)
})

it('has as many WebSockets of an address as it was told', async () => {
  const url = `${exchange.url.replace('http', 'ws')}/v1/marketdata/stream`
  const first = new WebSocket(url)
  try {
    await once(first, 'open')
    const [refused] = await once(new WebSocket(url), 'error')
    expect(String(refused)).toMatch(/ 429$/)
  } finally {
    first.terminate()
  }
})

it('a stranger who asks too often is told when to come back, and nobody else suffers', async () => {
  const answers = await Promise.all(Array.from({ length: 80 }, () => call(exchange.url, 'GET', '/v1/time')))
  const refused = answers.find(({ status }) => status === 429)!
  expect(essence(refused)).toEqual(refusal('RATE_LIMITED', '/v1/time'))
  expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  // As this exchange was told, not as it is by default.
  expect(refused.headers.get('ratelimit-policy')).toBe('"anonymous";q=70;w=60')
  expect(refused.headers.get('ratelimit')).toMatch(/^"anonymous";r=0;t=\d+$/)
  expect((await alice.get('/v1/users/me')).status).toBe(200)
  expect((await call(exchange.url, 'GET', '/healthz')).status).toBe(200)
})

it('passwords cannot be guessed quickly', async () => {
  const body = { identifier: alice.username, password: 'not the right one' }
  const path = '/v1/auth/login'
  const statuses: number[] = []
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const { status, body: answer } = await call(exchange.url, 'POST', path, { body })
    statuses.push(status)
    if (status === 429) {
      expect(answer).toMatchObject({ success: false, error: { code: 'RATE_LIMITED', instance: path } })
      break
    }
  }
  expect(statuses.at(-1)).toBe(429)
  expect(dataOf((await alice.get('/v1/users/me')).body).id).toBe(alice.userId)
})
