import { randomBytes } from 'node:crypto'
import { createLogger } from '@bitka/kernel'
import { type FakeCollector, fakeCollector, type ReceivedSpan, waitFor } from '@bitka/testkit'
import { TestExchange, type TestMarket } from './exchange.ts'
import type { Person } from './person.ts'

type Line = { service: string; msg: string; trace_id?: string; method?: string }

let collector: FakeCollector
let exchange: TestExchange
let market: TestMarket
let alice: Person
let bob: Person
const lines: Line[] = []
beforeAll(async () => {
  collector = await fakeCollector()
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Line) }
  exchange = await TestExchange.startOwn(
    { BITKA_OTLP_ENDPOINT: collector.url, BITKA_TRACE_RATIO: '1', BITKA_LOG_LEVEL: 'info' },
    (name) => createLogger(name, { destination }),
  )
  market = await exchange.market()
  alice = await exchange.person('alice')
  bob = await exchange.person('bob')
  await exchange.fund(alice, '1000 THB')
  await exchange.fund(bob, `10 ${market.base}`)
}, 120_000)
afterAll(async () => {
  await exchange?.stop()
  await collector?.stop()
})

const place = async (person: Person, side: string, traceId: string) => {
  const body = { symbol: market.symbol, side, type: 'limit', price: '10', quantity: '1' }
  // A client's own wish to be recorded or not is no concern of ours, its trace id is.
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-00` }
  expect(await person.post('/v1/orders', { body, headers })).toMatchObject({ status: 201 })
}
const newTraceId = (): string => randomBytes(16).toString('hex')

/** The way of an order that meets another one, from the edge to the mail that tells of it. */
const way: [service: string, span: string][] = [
  ['gateway', 'POST bitka.order.v1.OrderService/CreateOrder'],
  ['gateway', 'bitka.order.v1.OrderService/CreateOrder'],
  ['order', 'bitka.order.v1.OrderService/CreateOrder'],
  ['order', 'order admit'],
  ['order', 'order hold'],
  ['order', 'bitka.ledger.v1.LedgerPostingService/Hold'],
  ['ledger', 'bitka.ledger.v1.LedgerPostingService/Hold'],
  ['order', 'order submit'],
  ['order', 'trading.orders.commands publish'],
  ['matching', 'trading.orders.commands process'],
  ['matching', 'match'],
  ['matching', 'trading.matches.executed publish'],
  ['ledger', 'trading.matches.executed process'],
  ['ledger', 'settle'],
  ['order', 'trading.matches.executed process'],
  ['market-data', 'trading.matches.executed process'],
  ['order', 'trading.orders.filled publish'],
  ['notification', 'trading.orders.filled process'],
]

const spansOf = (traceId: string): ReceivedSpan[] => collector.spans.filter((span) => span.traceId === traceId)

it('follows an order from the edge to settlement and the mail under one trace id, which its log lines have too', async () => {
  await place(bob, 'sell', newTraceId())
  const traceId = newTraceId()
  await place(alice, 'buy', traceId)
  const missing = () =>
    way.filter(([service, name]) => !spansOf(traceId).some((span) => span.service === service && span.name === name))
  const tops = () => {
    const spans = spansOf(traceId)
    const ids = new Set(spans.map(({ spanId }) => spanId))
    return spans.filter(({ parentSpanId }) => !ids.has(parentSpanId)).map((span) => [span.name, span.parentSpanId])
  }
  // Each service sends its own spans when it likes: a parent may come after its children.
  await waitFor(() => {
    expect(missing()).toEqual([])
    expect(tops()).toEqual([[way[0]![1], 'b7ad6b7169203331']])
    return true
  })
  expect(spansOf(traceId).filter(({ failed }) => failed)).toEqual([])

  const joined = lines.filter((line) => line.trace_id === traceId)
  expect(joined).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ service: 'gateway', msg: 'request' }),
      expect.objectContaining({ service: 'order', method: '/bitka.order.v1.OrderService/CreateOrder' }),
      expect.objectContaining({ service: 'ledger', method: '/bitka.ledger.v1.LedgerPostingService/Hold' }),
    ]),
  )
})

it('says of a request only ids, names and outcomes', async () => {
  const allowed = /^(http\.response\.status_code|request_id|route|outcome|caller|attempts|messaging\..*)$/
  const names = new Set(collector.spans.flatMap(({ attributes }) => Object.keys(attributes)))
  expect([...names].filter((name) => !allowed.test(name))).toEqual([])
})

it('records no probes', async () => {
  await fetch(`${exchange.url}/readyz`)
  // Spans of one process are sent in the order of their ends.
  const after = newTraceId()
  await place(bob, 'sell', after)
  await waitFor(async () => spansOf(after).some(({ name }) => name.startsWith('POST')))
  expect(collector.spans.filter(({ name }) => /healthz|readyz/.test(name))).toEqual([])
})
