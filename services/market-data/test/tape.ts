import type { LogRecord } from '@bitka/events'
import {
  type MarketDefinition,
  MarketDefinitionSchema,
  MarketStatus,
  OrderSide,
} from '@bitka/proto/bitka/common/v1/market_pb'
import { type MatchResult, type MatchResults, MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import { create, toBinary } from '@bufbuild/protobuf'

export const TOPIC = 'trading.matches.executed'

export const definition = (symbol: string, changes: Partial<MarketDefinition> = {}): MarketDefinition => {
  const [baseAsset = '', quoteAsset = ''] = symbol.split('-')
  return create(MarketDefinitionSchema, {
    symbol,
    baseAsset,
    quoteAsset,
    baseDecimals: 8,
    quoteDecimals: 2,
    tickSize: '0.05',
    lotSize: '0.001',
    minQuantity: '0.001',
    maxQuantity: '100',
    minNotional: '1',
    priceBandBps: 1000,
    status: MarketStatus.TRADING,
    makerFeeBps: 10,
    takerFeeBps: 20,
    partition: 0,
    ...changes,
  })
}

export type LevelWord = [side: 'bid' | 'ask', ticks: number, lots: number]
type Body = MatchResult['body']

const party = {
  orderId: '0199a1f0-0000-7000-8000-000000000001',
  userId: '0199a1f0-0000-7000-8000-000000000002',
  quoteAmount: '1',
  fee: '0',
  holdAfter: '0',
}

/** Writes the results of one market as the engine would: numbered without gaps, one message a command. */
export class Tape {
  private resultNumber = 0n
  private commandSeq = 0n
  private tradeNumber = 0n
  bookSeq = 0n

  constructor(
    readonly symbol: string,
    public timeMs = Date.UTC(2026, 0, 7, 10, 0, 0),
  ) {}

  define(changes: Partial<MarketDefinition> = {}): MatchResults {
    return this.message([{ case: 'marketDefined', value: definition(this.symbol, changes) }])
  }

  status(status: MarketStatus): MatchResults {
    return this.message([{ case: 'marketStatusChanged', value: { status } as never }])
  }

  /** What happens to an order, which is no market data. */
  accepted(): MatchResults {
    return this.message([{ case: 'orderAccepted', value: { orderId: party.orderId, userId: party.userId } as never }])
  }

  book(...levels: LevelWord[]): MatchResults {
    return this.message([this.bookBody(levels)])
  }

  /** Trades, and the levels that they changed. */
  trade(trades: [ticks: number, lots: number, side: 'buy' | 'sell'][], ...levels: LevelWord[]): MatchResults {
    const bodies = trades.map(([ticks, lots, side]): Body => {
      this.tradeNumber += 1n
      return {
        case: 'trade',
        value: {
          tradeNumber: this.tradeNumber,
          priceTicks: BigInt(ticks),
          quantityLots: BigInt(lots),
          baseAmount: String(lots),
          takerSide: side === 'buy' ? OrderSide.BUY : OrderSide.SELL,
          maker: party,
          taker: party,
        } as never,
      }
    })
    return this.message(levels.length > 0 ? [...bodies, this.bookBody(levels)] : bodies)
  }

  /** As if results had been lost. */
  tear(): this {
    this.resultNumber += 1n
    return this
  }

  at(timeMs: number): this {
    this.timeMs = timeMs
    return this
  }

  later(ms: number): this {
    this.timeMs += ms
    return this
  }

  private bookBody(levels: LevelWord[]): Body {
    this.bookSeq += 1n
    return {
      case: 'bookChanged',
      value: {
        seq: this.bookSeq,
        changes: levels.map(([side, ticks, lots]) => ({
          side: side === 'bid' ? OrderSide.BUY : OrderSide.SELL,
          priceTicks: BigInt(ticks),
          quantityLots: BigInt(lots),
        })),
      } as never,
    }
  }

  private message(bodies: Body[]): MatchResults {
    this.commandSeq += 1n
    return create(MatchResultsSchema, {
      symbol: this.symbol,
      commandSeq: this.commandSeq,
      timeMs: BigInt(this.timeMs),
      results: bodies.map((body) => {
        this.resultNumber += 1n
        return { number: this.resultNumber, body }
      }),
    })
  }
}

export const recordOf = (message: MatchResults): LogRecord & { partition: number } => ({
  key: message.symbol,
  headers: {},
  value: toBinary(MatchResultsSchema, message),
  partition: 0,
})
