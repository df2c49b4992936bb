import { MAX_DECIMALS } from '@bitka/kernel'
import { type MarketDefinition, marketStatuses } from './command.ts'
import { type Scale, scaleOf } from './money.ts'

/** A market that has a definition: what the log said last. */
export type Market = { readonly definition: MarketDefinition; readonly scale: Scale }

const isWholeUpTo = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max

/** The market that a definition makes, or null when it makes none. */
export function toMarket(definition: MarketDefinition): Market | null {
  if (definition.symbol === '' || !marketStatuses.includes(definition.status)) return null
  if (!isWholeUpTo(definition.baseDecimals, MAX_DECIMALS) || !isWholeUpTo(definition.quoteDecimals, MAX_DECIMALS))
    return null
  if (!isWholeUpTo(definition.priceBandBps, 10_000)) return null
  const scale = scaleOf(definition)
  return scale && { definition, scale }
}

/** Do both measure money alike? "0.10" and "0.1" do. */
export function hasSameMeasure(a: Market, b: Market): boolean {
  return (
    a.definition.symbol === b.definition.symbol &&
    a.definition.baseAsset === b.definition.baseAsset &&
    a.definition.quoteAsset === b.definition.quoteAsset &&
    a.definition.baseDecimals === b.definition.baseDecimals &&
    a.definition.quoteDecimals === b.definition.quoteDecimals &&
    a.scale.num === b.scale.num &&
    a.scale.den === b.scale.den &&
    a.scale.lotMinor === b.scale.lotMinor
  )
}
