import type { Command, MarketDefinition, MarketStatus, NewOrder, SelfTradePrevention } from '../src/domain/command.ts'

type Shape = { tickSize: string; lotSize: string; base: number; quote: number; price: number; lots: number }

/** Markets whose money rounds in different ways. */
const shapes: Shape[] = [
  // One unit is one minor unit: nothing rounds.
  { tickSize: '1', lotSize: '1', base: 0, quote: 0, price: 100, lots: 1 },
  // One unit is a hundredth of a minor unit: nearly everything rounds.
  { tickSize: '0.001', lotSize: '0.1', base: 4, quote: 2, price: 995, lots: 1 },
  // A third of a fill's value is below the last decimal, and fees are taken from few minor units.
  { tickSize: '0.05', lotSize: '0.03', base: 2, quote: 2, price: 30, lots: 1 },
  // BTC-THB: units pass 2^53.
  { tickSize: '0.01', lotSize: '0.00000001', base: 8, quote: 2, price: 300_000_001, lots: 100_000_007 },
  // Near the edge of safe integers; 18 decimals.
  { tickSize: '0.000001', lotSize: '0.000000000001', base: 18, quote: 6, price: 2 ** 52, lots: 2 ** 45 + 1 },
]

/** A small generator (mulberry32): the same seed draws the same numbers everywhere. */
export function generator(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export function definitionOf(shape: Shape, changes: Partial<MarketDefinition> = {}): MarketDefinition {
  return {
    symbol: 'AAA-BBB',
    baseAsset: 'AAA',
    quoteAsset: 'BBB',
    baseDecimals: shape.base,
    quoteDecimals: shape.quote,
    tickSize: shape.tickSize,
    lotSize: shape.lotSize,
    priceBandBps: 300,
    status: 'trading',
    minQuantity: shape.lotSize,
    maxQuantity: '1000000',
    minNotional: '0',
    makerFeeBps: 10,
    takerFeeBps: 25,
    partition: 0,
    ...changes,
  }
}

const users = ['alice', 'bob', 'carol', 'dave', 'erin']
const statuses: MarketStatus[] = ['pre_open', 'cancel_only', 'halted', 'delisted', 'trading']
const choices: SelfTradePrevention[] = ['cancel_newest', 'cancel_oldest', 'cancel_both', 'decrement_and_cancel']
const fees = [0, 1, 7, 10, 25, 100]
const bands = [0, 40, 100, 300, 10_000]

type Draw = (below: number) => number
const oneOf = <T>(draw: Draw, items: readonly T[]): T => items[draw(items.length)] as T
/** True in `percent` of the draws. */
const chance = (draw: Draw, percent: number): boolean => draw(100) < percent

/** A command without its seq, which follows from its place. */
export type Step = Command

/** Commands from words of randomness: one step a word, the first ones define the market. */
export function stepsFrom(words: ArrayLike<number>): Step[] {
  const first = generator(words[0] as number)
  const shape = oneOf(first, shapes)
  const steps: Step[] = []
  let status: MarketStatus = 'trading'
  let timeMs = 1_000
  const ids: string[] = []
  for (let at = 0; at < words.length; at += 1) {
    const draw = generator((words[at] as number) + at)
    timeMs += draw(120) - 40
    const base = { seq: 0, timeMs }
    if (at === 0) {
      // One market in ten has its first command before it is defined.
      if (chance(draw, 90)) steps.push({ ...base, kind: 'define_market', market: definitionOf(shape) })
      else status = 'halted'
      continue
    }
    const kind = draw(1_000)
    if (status !== 'trading' && kind < 300) {
      status = 'trading'
      const isDefined = steps.some((step) => step.kind === 'define_market')
      if (isDefined) steps.push({ ...base, kind: 'set_status', status })
      else steps.push({ ...base, kind: 'define_market', market: definitionOf(shape) })
    } else if (kind < 20) {
      const market = redefinition(draw, shape)
      // A changed tick is refused, and the status with it.
      if (market.tickSize === shape.tickSize && !market.lotSize.endsWith('9')) status = market.status
      steps.push({ ...base, kind: 'define_market', market })
    } else if (kind < 40) {
      status = oneOf(draw, statuses)
      steps.push({ ...base, kind: 'set_status', status })
    } else if (kind < 60) {
      steps.push({
        ...base,
        kind: 'cancel_all',
        userId: oneOf(draw, users),
        reason: chance(draw, 50) ? 'user' : 'dead_man',
      })
    } else if (kind < 75) {
      const orderId = chance(draw, 50) && ids.length > 0 ? oneOf(draw, ids) : `unread-${at}`
      steps.push({ ...base, kind: 'reject', orderId, userId: chance(draw, 50) ? '' : oneOf(draw, users) })
    } else if (kind < 200) {
      // Mostly recent orders, which may still be open.
      const back = Math.min(ids.length, chance(draw, 80) ? 12 : 200)
      const orderId = chance(draw, 5) || back === 0 ? 'never-seen' : (ids[ids.length - 1 - draw(back)] as string)
      const reason = chance(draw, 85) ? 'user' : oneOf(draw, ['expired', 'dead_man'] as const)
      steps.push({ ...base, kind: 'cancel_order', orderId, reason })
    } else {
      const isRepeated = chance(draw, 1) && ids.length > 0
      const orderId = isRepeated ? (ids[ids.length - 1] as string) : `order-${at}`
      if (!isRepeated) ids.push(orderId)
      steps.push(newOrder(draw, shape, orderId, timeMs))
    }
  }
  return steps
}

function redefinition(draw: Draw, shape: Shape): MarketDefinition {
  const status = chance(draw, 85) ? 'trading' : oneOf(draw, statuses)
  const changes = draw(10)
  if (changes === 0) return definitionOf(shape, { status, tickSize: '0.5' })
  // Not a whole number of base minor units.
  if (changes === 1) return definitionOf(shape, { status, lotSize: `0.${'0'.repeat(shape.base)}9` })
  return definitionOf(shape, { status, priceBandBps: oneOf(draw, bands) })
}

function newOrder(draw: Draw, shape: Shape, orderId: string, timeMs: number): NewOrder {
  const isBuy = chance(draw, 50)
  const isLimit = chance(draw, 78)
  const priceTicks = isLimit ? shape.price + draw(10) : 0
  const timeInForce = oneOf(draw, ['GTC', 'GTC', 'GTC', 'GTC', 'GTC', 'IOC', 'FOK'] as const)
  const mayRest = isLimit && timeInForce === 'GTC'
  const isByAmount = !isLimit && isBuy && chance(draw, 35)
  const quantityLots = isByAmount ? 0 : shape.lots * (1 + draw(mayRest ? 12 : 30)) + (shape.lots > 1 ? draw(3) : 0)
  const isBroken = chance(draw, 2)
  const hasDeadline = !mayRest && chance(draw, 40)
  return {
    seq: 0,
    timeMs,
    kind: 'new_order',
    orderId,
    userId: oneOf(draw, users),
    side: isBuy ? 'buy' : 'sell',
    type: isLimit ? 'limit' : 'market',
    timeInForce,
    priceTicks,
    quantityLots: isBroken && chance(draw, 50) ? -1 : quantityLots,
    postOnly: (mayRest && chance(draw, 15)) || (isBroken && chance(draw, 50)),
    stp: oneOf(draw, choices),
    makerFeeBps: oneOf(draw, fees),
    takerFeeBps: oneOf(draw, fees),
    maxQuote: isBuy ? maxQuote(draw, shape, priceTicks, quantityLots, mayRest) : isBroken ? 1n : 0n,
    validUntilMs: hasDeadline ? timeMs + 150 - draw(300) : 0,
  }
}

/** Mostly what an order service would hold; sometimes more, sometimes too little. */
function maxQuote(draw: Draw, shape: Shape, priceTicks: number, quantityLots: number, mayRest: boolean): bigint {
  const price = BigInt(priceTicks === 0 ? shape.price + draw(10) : priceTicks)
  const lots = BigInt(quantityLots === 0 ? shape.lots * (1 + draw(30)) : quantityLots)
  const decimals = (text: string) => text.split('.')[1]?.length ?? 0
  const whole = (text: string) => BigInt(text.replace('.', ''))
  const top = price * lots * whole(shape.tickSize) * whole(shape.lotSize) * 10n ** BigInt(shape.quote)
  const bottom = 10n ** BigInt(decimals(shape.tickSize) + decimals(shape.lotSize))
  const exact = (top + bottom - 1n) / bottom
  const kind = draw(100)
  if (kind < (mayRest ? 90 : 45)) return exact
  if (kind < (mayRest ? 97 : 60)) return exact + BigInt(draw(50))
  return (exact * BigInt(draw(100))) / 100n
}

/** The steps with their places as seq. */
export const numbered = (steps: readonly Step[]): Command[] => steps.map((step, index) => ({ ...step, seq: index + 1 }))
