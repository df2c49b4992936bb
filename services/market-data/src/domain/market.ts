import { formatMinor, formatMinorFixed, parsePositiveMinor } from '@bitka/kernel'
import { type MarketDefinition, MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'

/** A market as it is defined now. Sizes and limits are decimal strings. */
export type Market = Pick<
  MarketDefinition,
  | 'symbol'
  | 'baseAsset'
  | 'quoteAsset'
  | 'baseDecimals'
  | 'quoteDecimals'
  | 'tickSize'
  | 'lotSize'
  | 'minQuantity'
  | 'maxQuantity'
  | 'minNotional'
  | 'priceBandBps'
  | 'makerFeeBps'
  | 'takerFeeBps'
  | 'status'
>

export const toMarket = (definition: MarketDefinition): Market => ({
  symbol: definition.symbol,
  baseAsset: definition.baseAsset,
  quoteAsset: definition.quoteAsset,
  baseDecimals: definition.baseDecimals,
  quoteDecimals: definition.quoteDecimals,
  tickSize: definition.tickSize,
  lotSize: definition.lotSize,
  minQuantity: definition.minQuantity,
  maxQuantity: definition.maxQuantity,
  minNotional: definition.minNotional,
  priceBandBps: definition.priceBandBps,
  makerFeeBps: definition.makerFeeBps,
  takerFeeBps: definition.takerFeeBps,
  status: definition.status,
})

export const isActive = ({ status }: Market): boolean => status === MarketStatus.TRADING

/** The id that the order service gives the same trade in its fills. */
export const tradeIdOf = (symbol: string, tradeNumber: bigint): string => `${symbol}-${tradeNumber}`

/** One step of a price or quantity: `units` ÷ 10^`decimals`. */
type Step = { units: bigint; decimals: number }

function parseStep(text: string, field: string): Step {
  const decimals = text.split('.')[1]?.length ?? 0
  return { units: parsePositiveMinor(text, decimals, field), decimals }
}

/** Writes ticks and lots as decimal strings: short ones for trades and candles, zero-padded ones for books. */
export type Notation = {
  price(ticks: number): string
  quantity(lots: number | bigint): string
  bookPrice(ticks: number): string
  bookQuantity(lots: number): string
}

export function notationOf({ tickSize, lotSize }: Pick<Market, 'tickSize' | 'lotSize'>): Notation {
  const tick = parseStep(tickSize, 'tick_size')
  const lot = parseStep(lotSize, 'lot_size')
  return {
    price: (ticks) => formatMinor(BigInt(ticks) * tick.units, tick.decimals),
    quantity: (lots) => formatMinor(BigInt(lots) * lot.units, lot.decimals),
    bookPrice: (ticks) => formatMinorFixed(BigInt(ticks) * tick.units, tick.decimals),
    bookQuantity: (lots) => formatMinorFixed(BigInt(lots) * lot.units, lot.decimals),
  }
}
