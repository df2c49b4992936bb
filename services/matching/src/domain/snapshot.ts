import { assert } from '@bitka/kernel'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { MarketDefinition } from './command.ts'

const FORMAT = 'bitka.matching.snapshot'
const VERSION = 1

/** Everything that a later result can depend on, without slots, user numbers or other accidents of memory. */
export type EngineState = {
  definition: MarketDefinition | null
  hasHadOrder: boolean
  lastSeq: number
  timeMs: number
  resultNumber: number
  tradeNumber: number
  bookSeq: number
  lastTrade: number
  /** Bids, then asks, each from the best price in time priority. */
  orders: OrderState[]
}

export type OrderState = {
  orderId: string
  userId: string
  seq: number
  side: number
  ticks: number
  remaining: number
  filled: number
  unitsHigh: number
  unitsLow: number
  takerLots: number
  takerHigh: number
  takerLow: number
  makerFeeBps: number
  takerFeeBps: number
}

const counters = ['lastSeq', 'timeMs', 'resultNumber', 'tradeNumber', 'bookSeq', 'lastTrade'] as const

const orderNumbers = [
  'seq',
  'side',
  'ticks',
  'remaining',
  'filled',
  'unitsHigh',
  'unitsLow',
  'takerLots',
  'takerHigh',
  'takerLow',
  'makerFeeBps',
  'takerFeeBps',
] as const

/** The fields of a definition in the order in which they are written. */
const definitionFields = [
  'symbol',
  'baseAsset',
  'quoteAsset',
  'baseDecimals',
  'quoteDecimals',
  'tickSize',
  'lotSize',
  'priceBandBps',
  'status',
  'minQuantity',
  'maxQuantity',
  'minNotional',
  'makerFeeBps',
  'takerFeeBps',
  'partition',
] as const satisfies (keyof MarketDefinition)[]

/** A forgotten field of a definition or of an order is a compile error here. */
type Forgotten =
  | Exclude<keyof MarketDefinition, (typeof definitionFields)[number]>
  | Exclude<keyof OrderState, (typeof orderNumbers)[number] | 'orderId' | 'userId'>
const nothingForgotten: [Forgotten] extends [never] ? true : false = true

/** The canonical bytes of a state: equal states have equal bytes on every machine. */
export function encodeState(state: EngineState): Uint8Array {
  assert(nothingForgotten, 'the snapshot has every field')
  const writer = new ByteWriter()
  writer.string(FORMAT)
  writer.number(VERSION)
  const { definition } = state
  writer.string(definition === null ? '' : JSON.stringify(definitionFields.map((field) => definition[field])))
  writer.number(state.hasHadOrder ? 1 : 0)
  for (const counter of counters) writer.number(state[counter])
  writer.number(state.orders.length)
  for (const order of state.orders) {
    writer.string(order.orderId)
    writer.string(order.userId)
    for (const field of orderNumbers) writer.number(order[field])
  }
  return writer.done()
}

/** @throws Error when the bytes are not a whole snapshot of this version */
export function decodeState(bytes: Uint8Array): EngineState {
  const reader = new ByteReader(bytes)
  if (reader.string() !== FORMAT) throw new Error('not a snapshot of the matching engine')
  const version = reader.number()
  if (version !== VERSION) throw new Error(`unknown version of a snapshot: ${version}`)
  const definition = decodeDefinition(reader.string())
  const hasHadOrder = reader.number() === 1
  const numbers = Object.fromEntries(counters.map((counter) => [counter, reader.number()]))
  const orders: OrderState[] = []
  for (let left = reader.number(); left > 0; left -= 1) {
    const ids = { orderId: reader.string(), userId: reader.string() }
    const fields = Object.fromEntries(orderNumbers.map((field) => [field, reader.number()]))
    orders.push({ ...ids, ...fields } as OrderState)
  }
  if (!reader.isAtEnd) throw new Error('a snapshot goes on after its end')
  return { definition, hasHadOrder, orders, ...numbers } as EngineState
}

function decodeDefinition(text: string): MarketDefinition | null {
  if (text === '') return null
  const values = JSON.parse(text) as unknown[]
  return Object.fromEntries(definitionFields.map((field, index) => [field, values[index]])) as MarketDefinition
}
