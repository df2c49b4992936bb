import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { waitFor } from '@bitka/testkit'
import { bitcoin, Harness, keyed, limitBuy, type Person, refusal } from './harness.ts'

let h: Harness
let operator: Person
beforeAll(async () => {
  h = await Harness.open()
  operator = await h.operator()
})
afterAll(() => h?.close())

const ether = { ...bitcoin, symbol: 'ETH-THB', baseAsset: 'ETH' }

it('creates markets in turn over the partitions, and shows what the engine said', async () => {
  const { market } = await h.client.createMarket({ ...bitcoin, tickSize: '0.050', makerFeeBps: 0 }, operator.as)
  expect(market).toMatchObject({
    ...bitcoin,
    tickSize: '0.05',
    priceBandBps: 1_000,
    makerFeeBps: 0,
    takerFeeBps: 20,
    maxOpenOrders: 200,
    partition: 0,
    status: MarketStatus.TRADING,
  })
  const second = await h.client.createMarket({ ...ether, status: MarketStatus.PRE_OPEN }, operator.as)
  expect(second.market).toMatchObject({ partition: 1, status: MarketStatus.PRE_OPEN })
  expect(h.engine.of('BTC-THB', 'defineMarket')).toMatchObject([
    {
      commandSeq: 1n,
      partition: 0,
      body: { value: { baseDecimals: 8, quoteDecimals: 2, tickSize: '0.05', status: MarketStatus.TRADING } },
    },
  ])
  expect((await h.client.listMarkets({}, operator.as)).items.map(({ symbol }) => symbol)).toEqual([
    'BTC-THB',
    'ETH-THB',
  ])
  expect(await h.audited('admin.market.create')).toHaveLength(2)
})

it('refuses a symbol that is taken, and repeats the first answer for a key', async () => {
  expect(await refusal(h.client.createMarket(bitcoin, operator.as))).toBe('conflict')
  const third = { ...bitcoin, symbol: 'BTC-ETH', quoteAsset: 'ETH' }
  const first = await h.client.createMarket(third, keyed(operator, 'm'))
  expect(await h.client.createMarket(third, keyed(operator, 'm'))).toEqual(first)
  expect(await refusal(h.client.createMarket({ ...third, lotSize: '0.001' }, keyed(operator, 'm')))).toBe('conflict')
})

it('refuses a definition that cannot be', async () => {
  const bad = { ...bitcoin, symbol: 'XYZ-THB', baseAsset: 'XYZ', tickSize: '0' }
  expect(await refusal(h.client.createMarket(bad, operator.as))).toEqual([
    'invalid',
    { base_asset: 'names no asset of the ledger', tick_size: 'must be greater than zero' },
  ])
})

it('changes what it is told to, through the log', async () => {
  const change = { symbol: 'BTC-THB', takerFeeBps: 30, minNotional: '20', tickSize: '0.1' }
  expect((await h.client.updateMarket(change, operator.as)).market).toMatchObject({
    ...change,
    makerFeeBps: 0,
    lotSize: '0.0001',
  })
  expect(h.engine.of('BTC-THB', 'defineMarket').at(-1)).toMatchObject({
    commandSeq: 2n,
    body: { value: { tickSize: '0.1' } },
  })
  expect(await refusal(h.client.updateMarket({ symbol: 'NO-NO', takerFeeBps: 1 }, operator.as))).toBe('not_found')
})

it('halts and resumes, once each however often it is asked', async () => {
  const at = { symbol: 'ETH-THB', reason: 'a test' }
  expect((await h.client.resumeMarket(at, operator.as)).market?.status).toBe(MarketStatus.TRADING)
  for (const _ of [1, 2]) expect((await h.client.haltMarket(at, operator.as)).market?.status).toBe(MarketStatus.HALTED)
  expect(h.engine.of('ETH-THB', 'setStatus')).toHaveLength(2)
  expect(await refusal(h.client.haltMarket({ symbol: 'NO-NO' }, operator.as))).toBe('not_found')
  expect(await h.audited('admin.market.halt')).toHaveLength(1)
})

it('repeats the first answer of a key, whatever the market has become since', async () => {
  const symbol = 'ETH-THB'
  const commands = () => h.engine.of(symbol, 'setStatus').length
  const [resume, halt] = [keyed(operator, 'resume'), keyed(operator, 'halt')]
  const resumed = await h.client.resumeMarket({ symbol }, resume)
  const halted = await h.client.haltMarket({ symbol, reason: 'once' }, halt)
  expect([resumed.market?.status, halted.market?.status]).toEqual([MarketStatus.TRADING, MarketStatus.HALTED])
  const sent = commands()
  expect(await h.client.resumeMarket({ symbol }, resume)).toEqual(resumed)
  expect(await h.client.haltMarket({ symbol, reason: 'once' }, halt)).toEqual(halted)
  expect(await refusal(h.client.haltMarket({ symbol, reason: 'twice' }, halt))).toBe('conflict')
  expect(await refusal(h.client.resumeMarket({ symbol: 'BTC-THB' }, resume))).toBe('conflict')
  const nowhere = { symbol: 'NO-NO' }
  for (const _ of [1, 2]) expect(await refusal(h.client.haltMarket(nowhere, keyed(operator, 'no')))).toBe('not_found')
  expect(commands()).toBe(sent)
  const { items } = await h.client.listMarkets({}, operator.as)
  expect(items.find((market) => market.symbol === symbol)?.status).toBe(MarketStatus.HALTED)
})

it('repeats what a new market was, not what it is', async () => {
  const definition = { ...bitcoin, symbol: 'ETH-BTC', baseAsset: 'ETH', quoteAsset: 'BTC', minNotional: '0.001' }
  const first = await h.client.createMarket(definition, keyed(operator, 'new'))
  await h.client.updateMarket({ symbol: 'ETH-BTC', takerFeeBps: 77 }, operator.as)
  expect(await h.client.createMarket(definition, keyed(operator, 'new'))).toEqual(first)
})

it('shows the status that the engine last said, not the one that was asked for', async () => {
  h.engine.silent = true
  const { market } = await h.client.resumeMarket({ symbol: 'ETH-THB' }, operator.as)
  expect(market?.status).toBe(MarketStatus.HALTED)
  await waitFor(() => h.engine.of('ETH-THB', 'setStatus').length === 5)
  await h.engine.say('ETH-THB', [{ case: 'marketStatusChanged', value: { status: MarketStatus.TRADING } }])
  await waitFor(async () => {
    const { items } = await h.client.listMarkets({}, operator.as)
    return items.find(({ symbol }) => symbol === 'ETH-THB')?.status === MarketStatus.TRADING
  })
  h.engine.silent = false
})

it('never changes what orders are counted in once there was one', async () => {
  const alice = await h.person()
  await h.client.createOrder(limitBuy, alice.as)
  for (const [field, value] of [
    ['tickSize', '0.05'],
    ['lotSize', '0.001'],
    ['baseAsset', 'ETH'],
  ] as const) {
    const change = h.client.updateMarket({ symbol: 'BTC-THB', [field]: value }, operator.as)
    expect(await refusal(change)).toMatchObject(['conflict', {}])
  }
  // The same number in other words, and everything else, is fine.
  const change = { symbol: 'BTC-THB', tickSize: '0.10', maxQuantity: '50' }
  expect((await h.client.updateMarket(change, operator.as)).market).toMatchObject({
    tickSize: '0.1',
    maxQuantity: '50',
  })
})

it('closes a delisted market for good', async () => {
  const delisted = { symbol: 'BTC-ETH', status: MarketStatus.DELISTED }
  expect((await h.client.updateMarket(delisted, operator.as)).market?.status).toBe(MarketStatus.DELISTED)
  expect(await refusal(h.client.resumeMarket({ symbol: 'BTC-ETH' }, operator.as))).toBe('conflict')
})

it('is for operators', async () => {
  const { as } = await h.person()
  const auditor = await h.person(['user', 'auditor', 'treasury'])
  const calls = [
    () => h.client.createMarket(bitcoin, as),
    () => h.client.updateMarket({ symbol: 'BTC-THB' }, as),
    () => h.client.haltMarket({ symbol: 'BTC-THB' }, as),
    () => h.client.resumeMarket({ symbol: 'BTC-THB' }, as),
    () => h.client.listMarkets({}, auditor.as),
  ]
  for (const call of calls) expect(await refusal(call())).toBe('forbidden')
})
