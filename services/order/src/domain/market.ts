import { assert } from '@bitka/kernel'
import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { type ExactDecimal, parseExact } from './decimal.ts'

/** A market as it was last commanded. Steps and limits are decimal strings, as operators wrote them. */
export type Market = {
  symbol: string
  baseAsset: string
  quoteAsset: string
  baseDecimals: number
  quoteDecimals: number
  tickSize: string
  lotSize: string
  minQuantity: string
  maxQuantity: string
  minNotional: string
  priceBandBps: number
  makerFeeBps: number
  takerFeeBps: number
  /** Open orders a user may have in it. */
  maxOpenOrders: number
  /** The partition of its commands and results. */
  partition: number
  /** What the last command asked for; what holds is in the position. */
  wantedStatus: MarketStatus
  createdAt: Date
}

/** How far a market's results have been applied, and what they last said. */
export type Position = {
  symbol: string
  lastResultNumber: bigint
  lastCommandSeq: bigint
  /** Unspecified until the engine has said anything. */
  status: MarketStatus
  lastPriceTicks: bigint | null
  bestBidTicks: bigint | null
  bestAskTicks: bigint | null
}

/** What the engine last said; a market it has not heard of is not open yet. */
export const shownStatus = ({ status }: Position): MarketStatus =>
  status === MarketStatus.UNSPECIFIED ? MarketStatus.PRE_OPEN : status

/**
 * From the engine's counts to money: `units` = Σ ticks × lots are worth units × num ÷ den minor units of quote, exactly;
 * one lot is `lotMinor` minor units of base.
 */
export type Scale = { tick: ExactDecimal; lot: ExactDecimal; num: bigint; den: bigint; lotMinor: bigint }

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b))

export function scaleOf(market: Pick<Market, 'tickSize' | 'lotSize' | 'baseDecimals' | 'quoteDecimals'>): Scale {
  const tick = parseExact(market.tickSize, 'tick_size')
  const lot = parseExact(market.lotSize, 'lot_size')
  assert(lot.decimals <= market.baseDecimals, 'a lot is a whole number of base minor units')
  const top = tick.units * lot.units * 10n ** BigInt(market.quoteDecimals)
  const bottom = 10n ** BigInt(tick.decimals + lot.decimals)
  const common = gcd(top, bottom)
  const lotMinor = lot.units * 10n ** BigInt(market.baseDecimals - lot.decimals)
  return { tick, lot, num: top / common, den: bottom / common, lotMinor }
}
