import { type LimitOrderOptions, OrderBook, Side } from 'nodejs-order-book'
import { ref } from '../../../services/matching/src/domain/columns.ts'
import type { Command, MarketDefinition } from '../../../services/matching/src/domain/command.ts'
import { MarketEngine } from '../../../services/matching/src/domain/engine.ts'
import type { LevelIndex } from '../../../services/matching/src/domain/level-index.ts'
import { Matcher } from '../../../services/matching/src/domain/matcher.ts'
import { OrderPool } from '../../../services/matching/src/domain/order-pool.ts'
import { ignoring, Op, play, type Stream } from './stream.ts'

/** What a book did with a stream. Two books that did the same have the same trades, cancels and levels. */
export type Outcome = { tradedLots: number; cancelled: number; book: string }
export type Run = Outcome & { elapsedMs: number }

/** A level a line: side, price, lots; best first. */
function levelsOf(side: string, levels: Iterable<readonly [ticks: number, lots: number]>): string {
  return Array.from(levels, ([ticks, lots]) => `${side} ${ticks} ${lots}`).join('\n')
}

function* iterate(index: LevelIndex): Iterable<[number, number]> {
  for (let level = index.best; level !== 0; level = ref(index.worse, level)) {
    yield [index.ticksOf(level), index.lots[level] ?? 0]
  }
}

type Counters = { lots: number; closed: number; levels: number }

function ourBook(): { matcher: Matcher; pool: OrderPool; counters: Counters } {
  const counters = { lots: 0, closed: 0, levels: 0 }
  const pool = new OrderPool()
  const sink = {
    ...ignoring,
    trade: (_number: number, _maker: number, _taker: number, _ticks: number, lots: number) => {
      counters.lots += lots
    },
    closed: (_slot: number, reason: number) => {
      if (reason === 1) counters.closed += 1
    },
    level: () => {
      counters.levels += 1
    },
  }
  return { matcher: new Matcher(sink, pool), pool, counters }
}

/** Our matcher: price-time priority with self-trade prevention, budgets and level changes, before ids and money. */
export function runOurs(stream: Stream): Run {
  const { matcher, pool, counters } = ourBook()
  for (let index = 0; index < stream.loaded; index += 1) play(matcher, pool, stream, index)
  const startedMs = performance.now()
  for (let index = stream.loaded; index < stream.length; index += 1) play(matcher, pool, stream, index)
  const elapsedMs = performance.now() - startedMs
  const book = `${levelsOf('bid', iterate(matcher.bids))}\n${levelsOf('ask', iterate(matcher.asks))}`
  return { elapsedMs, tradedLots: counters.lots, cancelled: counters.closed, book }
}

/** How long each command took our matcher, in milliseconds. Reading the clock costs as much as a command: a run of its own. */
export function latenciesOfOurs(stream: Stream): Float64Array {
  const { matcher, pool } = ourBook()
  for (let index = 0; index < stream.loaded; index += 1) play(matcher, pool, stream, index)
  const took = new Float64Array(stream.length - stream.loaded)
  for (let index = stream.loaded; index < stream.length; index += 1) {
    const startedMs = performance.now()
    play(matcher, pool, stream, index)
    took[index - stream.loaded] = performance.now() - startedMs
  }
  return took
}

const market: MarketDefinition = {
  symbol: 'BTC-THB',
  baseAsset: 'BTC',
  quoteAsset: 'THB',
  baseDecimals: 8,
  quoteDecimals: 2,
  tickSize: '0.01',
  lotSize: '0.000001',
  priceBandBps: 1000,
  status: 'trading',
  minQuantity: '0.000001',
  maxQuantity: '100',
  minNotional: '0',
  makerFeeBps: 10,
  takerFeeBps: 20,
  partition: 0,
}

/** The stream as the log's commands. */
export function toCommands(stream: Stream): Command[] {
  const commands: Command[] = [{ kind: 'define_market', seq: 1, timeMs: 1, market }]
  for (let index = 0; index < stream.length; index += 1) {
    const base = { seq: index + 2, timeMs: index + 2 }
    if (stream.op[index] === Op.cancel) {
      commands.push({ ...base, kind: 'cancel_order', orderId: `order-${stream.target[index]}`, reason: 'user' })
      continue
    }
    const isBuy = stream.side[index] === 0
    const [ticks, lots] = [ref(stream.ticks, index), ref(stream.lots, index)]
    commands.push({
      ...base,
      kind: 'new_order',
      orderId: `order-${index + 1}`,
      userId: `user-${stream.user[index]}`,
      side: isBuy ? 'buy' : 'sell',
      type: 'limit',
      timeInForce: stream.op[index] === Op.take ? 'IOC' : 'GTC',
      priceTicks: ticks,
      quantityLots: lots,
      postOnly: false,
      stp: 'cancel_newest',
      makerFeeBps: 10,
      takerFeeBps: 20,
      // A tick times a lot is 10^-8 THB; the hold is in 0.01 THB, rounded up.
      maxQuote: isBuy ? (BigInt(ticks) * BigInt(lots) + 999_999n) / 1_000_000n : 0n,
      validUntilMs: 0,
    })
  }
  return commands
}

/** The whole engine as the matching service runs it: ids, numbered results, money, fees and holds included. */
export function runWhole(stream: Stream, commands: readonly Command[]): Run {
  const engine = new MarketEngine()
  let at = 0
  for (; at <= stream.loaded; at += 1) engine.apply(commands[at] as Command)
  let tradedLots = 0
  let cancelled = 0
  const startedMs = performance.now()
  for (; at < commands.length; at += 1) {
    for (const result of engine.apply(commands[at] as Command).results) {
      if (result.kind === 'trade') tradedLots += result.lots
      else if (result.kind === 'closed' && result.reason === 'user') cancelled += 1
    }
  }
  const elapsedMs = performance.now() - startedMs
  const view = engine.getBook()
  const pairs = (levels: readonly { ticks: number; lots: number }[]) =>
    levels.map(({ ticks, lots }) => [ticks, lots] as const)
  const book = `${levelsOf('bid', pairs(view.bids))}\n${levelsOf('ask', pairs(view.asks))}`
  return { elapsedMs, tradedLots, cancelled, book }
}

// The package exports the type of these words and not the words.
const IOC = 'IOC' as LimitOrderOptions['timeInForce']
const GTC = 'GTC' as LimitOrderOptions['timeInForce']

/** npm nodejs-order-book. Its ids are strings, made before the clock runs. */
export function runPeer(stream: Stream, ids: readonly string[]): Run {
  const book = new OrderBook()
  let tradedLots = 0
  let cancelled = 0
  const step = (index: number): void => {
    const op = stream.op[index]
    if (op === Op.cancel) {
      if (book.cancel(ids[ref(stream.target, index)] ?? '') !== undefined) cancelled += 1
      return
    }
    const size = ref(stream.lots, index)
    const answer = book.limit({
      id: ids[index + 1] ?? '',
      side: stream.side[index] === 0 ? Side.BUY : Side.SELL,
      size,
      price: ref(stream.ticks, index),
      timeInForce: op === Op.take ? IOC : GTC,
    })
    if (answer.err !== null) throw answer.err
    if (op === Op.take) tradedLots += size - answer.quantityLeft
  }
  for (let index = 0; index < stream.loaded; index += 1) step(index)
  const startedMs = performance.now()
  for (let index = stream.loaded; index < stream.length; index += 1) step(index)
  const elapsedMs = performance.now() - startedMs
  const [asks, bids] = book.depth()
  return { elapsedMs, tradedLots, cancelled, book: `${levelsOf('bid', bids)}\n${levelsOf('ask', asks)}` }
}
