import { setTimeout as pause } from 'node:timers/promises'
import { newId } from '@bitka/kernel'
import { OrderSide, OrderType, type SelfTradePrevention, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import { OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { seeded, waitFor } from '@bitka/testkit'
import { Core, kindOf, type Person } from './core.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const runs = Number(process.env.BITKA_MONEY_RUNS ?? 400)
const random = seeded(seed)

// A lot at a tick is worth 0.0091 of the smallest unit of money, so nearly every fill has to be rounded.
const measure = { tickSize: '0.007', lotSize: '0.013', minQuantity: '0.013', maxQuantity: '1300', minNotional: '0' }
const markets = [
  { symbol: 'AAA-CCC', baseAsset: 'AAA', quoteAsset: 'CCC', makerFeeBps: 13, takerFeeBps: 37 },
  // Another partition, the same money.
  { symbol: 'BBB-CCC', baseAsset: 'BBB', quoteAsset: 'CCC', makerFeeBps: 0, takerFeeBps: 1_000 },
]

let core: Core
let people: Person[]
const placed: { orderId: string; person: Person }[] = []
const outcomes: Record<string, number> = {}

beforeAll(async () => {
  console.log(`money over random orders: seed ${seed} (BITKA_SEED, BITKA_MONEY_RUNS)`)
  core = await Core.open()
  for (const [symbol, decimals] of [
    ['AAA', 3],
    ['BBB', 8],
    ['CCC', 2],
  ] as const)
    await core.asset(symbol, decimals)
  for (const market of markets) await core.market({ ...market, ...measure, priceBandBps: 2_000 })
  people = await Promise.all([0, 1, 2, 3].map(() => core.person()))
  for (const person of people) for (const asset of ['AAA', 'BBB', 'CCC']) await core.fund(person, asset, '200')
}, 120_000)
afterAll(() => core?.close())

const note = (outcome: string): void => {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
}
const times = (steps: number, step: number, decimals: number): string => {
  const digits = String(steps * step).padStart(decimals + 1, '0')
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}

/** Something that somebody could do; every order is small, so that one is filled by many and many by one. */
async function act(): Promise<void> {
  const person = random.pick(people)
  const dice = random.int(100)
  const last = placed.at(-1 - random.int(12))
  if (dice < 18 && last)
    return note(`cancel ${await kindOf(core.order.cancelOrder({ orderId: last.orderId }, last.person.as))}`)
  if (dice === 18) {
    const cancel = core.order.cancelAllForUser({ userId: person.userId }, core.operator.as)
    return note(`cancel-all ${await kindOf(cancel)}`)
  }
  const isMarket = dice < 32
  const timeInForce = isMarket
    ? random.pick([TimeInForce.IOC, TimeInForce.FOK])
    : random.pick([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
  const order = {
    symbol: random.pick(markets).symbol,
    side: random.pick([OrderSide.BUY, OrderSide.SELL]),
    type: isMarket ? OrderType.MARKET : OrderType.LIMIT,
    quantity: times(1 + random.int(random.pick([4, 60])), 13, 3),
    ...(isMarket ? {} : { price: times(140 + random.int(8), 7, 3) }),
    timeInForce,
    postOnly: !isMarket && timeInForce === TimeInForce.GTC && random.int(8) === 0,
    selfTradePrevention: random.pick([1, 2, 3, 4]) as SelfTradePrevention,
  }
  // Tried until it is decided, as a client with a key would.
  const edge = { idempotencyKey: newId() }
  for (;;) {
    const answer = core.order.createOrder(order, { ...person.as, edge, deadlineMs: 20_000 })
    const kind = await kindOf(answer)
    note(`create ${kind}`)
    if (kind === 'done') placed.push({ orderId: (await answer).orderId, person })
    if (kind !== 'unavailable' && kind !== 'deadline_exceeded' && kind !== 'internal') return
    await pause(20)
  }
}

/** Several people at once, again and again. */
async function trade(actions: number): Promise<void> {
  let left = actions
  await Promise.all(
    [...Array(6).keys()].map(async () => {
      while (left > 0) {
        left -= 1
        await act()
      }
    }),
  )
}

async function everythingIsCancelled(): Promise<void> {
  for (const { userId } of people) {
    await waitFor(async () =>
      kindOf(core.order.cancelAllForUser({ userId }, core.operator.as)).then((k) => k === 'done'),
    )
  }
  const open = [OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED]
  const left = async () => {
    const lists = await Promise.all(
      people.flatMap(({ as }) => open.map((status) => core.order.listOrders({ status, perPage: 200 }, as))),
    )
    return lists.flatMap(({ items }) => items)
  }
  await waitFor(async () => (await left()).length === 0, { timeoutMs: 60_000, what: 'every order to be closed' })
  await core.holdsTrue()
  for (const person of people) {
    for (const [, locked] of Object.values(await core.balances(person))) expect(locked).toBe('0')
  }
}

it('nothing is lost, made or left locked, and rounding never owes', async () => {
  for (let round = 0; round < 4; round += 1) {
    await trade(runs / 4)
    await core.holdsTrue()
  }
  expect(await core.own('rounding', 'CCC')).toBeGreaterThan(0n)
  expect(await core.own('fees', 'AAA')).toBeGreaterThan(0n)
  await everythingIsCancelled()
}, 300_000)

it('nor when connections are cut, services restarted and partitions handed over', async () => {
  let isOver = false
  const trading = trade(runs).finally(() => {
    isOver = true
  })
  const faults = (async () => {
    for (let round = 0; !isOver; round += 1) {
      const name = random.pick(['ledger', 'order', 'matching'] as const)
      switch (round % 3) {
        case 0:
          await core.cut(0.4)
          break
        case 1:
          // The second process takes over what the first gives up, and gives it back.
          await core.start(name, true)
          await core.stop(name)
          await core.start(name)
          await core.stop(name, true)
          break
        default:
          await core.stop(name)
          await core.start(name)
      }
      await pause(random.int(400))
    }
  })()
  await trading
  await faults
  await core.holdsTrue()
  await everythingIsCancelled()
  console.log(`money over random orders: ${JSON.stringify(outcomes)}`)
}, 600_000)
