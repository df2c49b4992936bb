import type {
  Command,
  MarketDefinition,
  NewOrder,
  SelfTradePrevention,
  Side,
  TimeInForce,
} from '../src/domain/command.ts'
import { MarketEngine } from '../src/domain/engine.ts'
import type { Outcome, Result } from '../src/domain/result.ts'

/** A market where a tick, a lot and a minor unit are 1, so that money can be checked by eye. */
export const plainMarket: MarketDefinition = {
  symbol: 'AAA-BBB',
  baseAsset: 'AAA',
  quoteAsset: 'BBB',
  baseDecimals: 0,
  quoteDecimals: 0,
  tickSize: '1',
  lotSize: '1',
  priceBandBps: 1_000,
  status: 'trading',
  minQuantity: '1',
  maxQuantity: '1000000',
  minNotional: '1',
  makerFeeBps: 0,
  takerFeeBps: 0,
  partition: 0,
}

const ORDER =
  /^(buy|sell|bid|ask)(?: (\d+))?(?: (?:@|x) (\d+))?((?: (?:market|spend|gtc|ioc|fok|post|by \w+|stp \w+|max \d+|until \d+|fee \d+\/\d+))*)$/

/**
 * An engine that is spoken to as traders speak: "buy 4 @ 102 gtc by bob stp cancel_oldest", "sell 3 market", "buy market spend
 * max 500". A resting order may be written "bid 99 x 4". Without "by", buyers and sellers are "taker" and makers "maker".
 */
export class Desk {
  readonly engine = new MarketEngine()
  private seq = 0
  timeMs = 1_000

  constructor(market: Partial<MarketDefinition> = {}) {
    this.send({ kind: 'define_market', market: { ...plainMarket, ...market } })
  }

  send(command: Command extends infer C ? (C extends Command ? Omit<C, 'seq' | 'timeMs'> : never) : never): Outcome {
    this.seq += 1
    return this.engine.apply({ ...command, seq: this.seq, timeMs: this.timeMs } as Command)
  }

  /** Rests "bid 99 x 4, ask 101 x 3 by bob"; ids are o1, o2, … by place. */
  rest(orders: string): this {
    const parts = orders.split(', ').filter((part) => part !== '')
    for (const [index, part] of parts.entries()) this.order(part, `o${index + 1}`, 'maker')
    return this
  }

  order(text: string, orderId = 'in', user = 'taker'): Outcome {
    return this.send(parseOrder(text, orderId, user))
  }

  get book(): string {
    const { bids, asks } = this.engine.getBook()
    const show = (side: string) => (level: { ticks: number; lots: number }) => `${side} ${level.ticks} x ${level.lots}`
    return [...bids.map(show('bid')), ...asks.map(show('ask'))].join(', ')
  }
}

export function parseOrder(text: string, orderId: string, user: string): Omit<NewOrder, 'seq' | 'timeMs'> {
  const match = ORDER.exec(text.replace(/\s+/g, ' '))
  if (!match) throw new Error(`not an order: ${text}`)
  const [, word, first, second, rest = ''] = match
  const words = rest.trim()
  const after = (name: string) => new RegExp(`${name} (\\S+)`).exec(words)?.[1]
  const isQuote = word === 'bid' || word === 'ask'
  const [price, quantity] = isQuote ? [first, second] : [second, first]
  const side: Side = word === 'buy' || word === 'bid' ? 'buy' : 'sell'
  const priceTicks = Number(price ?? 0)
  const quantityLots = Number(quantity ?? 0)
  const timeInForce = (/gtc|ioc|fok/.exec(words)?.[0].toUpperCase() ?? 'GTC') as TimeInForce
  const [makerFeeBps, takerFeeBps] = (after('fee') ?? '0/0').split('/').map(Number) as [number, number]
  // Without "max", a limit buy holds its whole price and a market buy as good as everything.
  const maxQuote = BigInt(after('max') ?? (priceTicks * quantityLots || 1_000_000))
  return {
    kind: 'new_order',
    orderId,
    userId: after('by') ?? user,
    side,
    type: words.includes('market') ? 'market' : 'limit',
    timeInForce,
    priceTicks,
    quantityLots,
    postOnly: words.includes('post'),
    stp: (after('stp') ?? 'cancel_newest') as SelfTradePrevention,
    makerFeeBps,
    takerFeeBps,
    maxQuote: side === 'buy' ? maxQuote : 0n,
    validUntilMs: Number(after('until') ?? 0),
  }
}

/** "3 @ 101, 1 @ 102" */
export const fills = ({ results }: Outcome): string =>
  results.flatMap((result) => (result.kind === 'trade' ? [`${result.lots} @ ${result.ticks}`] : [])).join(', ')

/** What became of orders, without fills and book: "in closed ioc 6 left, o1 reduced to 2". */
export const endings = ({ results }: Outcome): string => results.flatMap(ending).join(', ')

function ending(result: Result): string[] {
  switch (result.kind) {
    case 'rejected':
      return [`${result.orderId} rejected ${result.reason}`]
    case 'reduced':
      return [`${result.orderId} reduced to ${result.remainingLots}`]
    case 'closed':
      return [`${result.orderId} ${result.reason}${result.remainingLots > 0 ? ` ${result.remainingLots} left` : ''}`]
    case 'cancel_rejected':
      return [`${result.orderId} ${result.reason}`]
    default:
      return []
  }
}
