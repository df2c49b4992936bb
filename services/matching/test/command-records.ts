import type { LogRecord } from '@bitka/events'
import { OrderCommandSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import type { Command, MarketDefinition } from '../src/domain/command.ts'
import { MarketEngine } from '../src/domain/engine.ts'
import { encodeResults } from '../src/events/encode-results.ts'
import { toWireDefinition } from '../src/events/market-definition.ts'
import { cancelReasons, orderTypes, preventions, sides, statuses, timesInForce } from '../src/events/words.ts'
import { parseOrder, plainMarket } from './text.ts'

export type Unnumbered = Command extends infer C ? (C extends Command ? Omit<C, 'seq' | 'timeMs'> : never) : never
type Body = NonNullable<MessageInitShape<typeof OrderCommandSchema>['body']>

function bodyOf(command: Exclude<Command, { kind: 'reject' }>): Body {
  switch (command.kind) {
    case 'define_market':
      return { case: 'defineMarket', value: toWireDefinition(command.market) }
    case 'set_status':
      return { case: 'setStatus', value: { status: statuses[command.status] } }
    case 'cancel_order': {
      const { orderId, reason } = command
      return { case: 'cancelOrder', value: { orderId, reason: cancelReasons[reason] } }
    }
    case 'cancel_all': {
      const { userId, reason } = command
      return { case: 'cancelAll', value: { userId, reason: cancelReasons[reason] } }
    }
    case 'new_order':
      return {
        case: 'newOrder',
        value: {
          orderId: command.orderId,
          userId: command.userId,
          side: sides[command.side],
          type: orderTypes[command.type],
          timeInForce: timesInForce[command.timeInForce],
          priceTicks: BigInt(command.priceTicks),
          quantityLots: BigInt(command.quantityLots),
          postOnly: command.postOnly,
          selfTradePrevention: preventions[command.stp],
          makerFeeBps: command.makerFeeBps,
          takerFeeBps: command.takerFeeBps,
          maxQuote: String(command.maxQuote),
          validUntilMs: BigInt(command.validUntilMs),
        },
      }
  }
}

/** The command as order writes it. A `reject` is a record that nobody can read. */
export function toRecord(symbol: string, command: Command): LogRecord {
  const headers: Record<string, string> = { symbol, command_seq: String(command.seq) }
  if ('orderId' in command) headers.order_id = command.orderId
  if (command.kind === 'reject') return { key: symbol, headers, value: Uint8Array.of(0xff, 0xff, 0xff) }
  const { seq, timeMs } = command
  const message = { symbol, commandSeq: BigInt(seq), timeMs: BigInt(timeMs), body: bodyOf(command) }
  return { key: symbol, headers, value: toBinary(OrderCommandSchema, create(OrderCommandSchema, message)) }
}

/** Writes the commands of one market, as order does, and knows what has to come of them. */
export class Trader {
  readonly commands: Command[] = []
  private taken = 0
  private timeMs = 1_000

  constructor(
    readonly symbol: string,
    readonly partition = 0,
    market: Partial<MarketDefinition> = {},
  ) {
    this.say({ kind: 'define_market', market: { ...plainMarket, symbol, partition, ...market } })
  }

  say(command: Unnumbered): this {
    this.timeMs += 1
    // What cannot be read has no time.
    const timeMs = command.kind === 'reject' ? 0 : this.timeMs
    this.commands.push({ ...command, seq: this.commands.length + 1, timeMs } as Command)
    return this
  }

  /** "buy 4 @ 102 gtc by bob" and so on; the id is made from its place. */
  order(text: string, orderId = `o${this.commands.length + 1}`): this {
    return this.say(parseOrder(text, orderId, 'trader'))
  }

  /** Any number of orders, of which about half trade. */
  orders(count: number): this {
    for (let i = 0; i < count; i += 1) {
      const price = 95 + ((i * 7) % 11)
      this.order(
        `${i % 2 === 0 ? 'buy' : 'sell'} ${1 + (i % 5)} @ ${price} gtc by u${i % 3} stp cancel_oldest fee 10/25`,
      )
    }
    return this
  }

  /** The records of the commands since the last call. */
  take(): LogRecord[] {
    const records = this.commands.slice(this.taken).map((command) => toRecord(this.symbol, command))
    this.taken = this.commands.length
    return records
  }

  /** The engine that has seen all of them. */
  engine(): MarketEngine {
    const engine = new MarketEngine()
    for (const command of this.commands) engine.apply(command)
    return engine
  }

  /** What must be in the results, record for record. */
  expected(): LogRecord[] {
    const engine = new MarketEngine()
    return this.commands.map((command) => encodeResults(this.symbol, engine.apply(command)))
  }
}
