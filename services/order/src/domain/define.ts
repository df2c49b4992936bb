import { DomainError, invalidField, Problems, parseMinor } from '@bitka/kernel'
import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { type ExactDecimal, formatExact, parseExact, parseSteps } from './decimal.ts'
import type { Market } from './market.ts'

/** How many orders the engine keeps open in one market at most; with max_quantity it bounds what it has to count. */
export const MARKET_ORDER_CAP = 1_048_576n
/** A tenth of what was received: more is a typing error. */
const MAX_FEE_BPS = 1_000
const MAX_OPEN_ORDERS = 10_000

/** What the ledger says about an asset. */
export type AssetFacts = { symbol: string; decimals: number; isActive: boolean }

/** What an operator may set. Absent in a change: stays. */
export type Definition = Pick<
  Market,
  | 'symbol'
  | 'baseAsset'
  | 'quoteAsset'
  | 'tickSize'
  | 'lotSize'
  | 'minQuantity'
  | 'maxQuantity'
  | 'minNotional'
  | 'priceBandBps'
  | 'makerFeeBps'
  | 'takerFeeBps'
  | 'maxOpenOrders'
  | 'wantedStatus'
>

export type CheckedDefinition = Definition & Pick<Market, 'baseDecimals' | 'quoteDecimals'>

export const definitionDefaults = {
  priceBandBps: 1_000,
  makerFeeBps: 10,
  takerFeeBps: 20,
  wantedStatus: MarketStatus.TRADING,
} as const

const within = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most

/**
 * Checks a whole definition and writes its numbers as short as they can be, so that equal ones are equal strings.
 * @throws DomainError invalid, naming every field at fault
 */
export function checkDefinition(definition: Definition, assets: readonly AssetFacts[]): CheckedDefinition {
  const problems = new Problems()
  const { symbol, baseAsset, quoteAsset } = definition
  problems.check(/^[A-Z0-9]{2,10}-[A-Z0-9]{2,10}$/.test(symbol), 'symbol', 'must look like BTC-THB')
  problems.check(symbol === `${baseAsset}-${quoteAsset}`, 'symbol', 'must be the base asset, "-" and the quote asset')
  problems.check(baseAsset !== quoteAsset, 'quote_asset', 'must not be the base asset')
  const base = knownAsset(problems, assets, baseAsset, 'base_asset')
  const quote = knownAsset(problems, assets, quoteAsset, 'quote_asset')
  const tick = problems.read(() => positive(definition.tickSize, 'tick_size'))
  const lot = problems.read(() => positive(definition.lotSize, 'lot_size'))
  if (lot && base) problems.check(lot.decimals <= base.decimals, 'lot_size', `has more than ${base.decimals} decimals`)
  const least = steps(problems, definition.minQuantity, lot, 'min_quantity')
  const most = steps(problems, definition.maxQuantity, lot, 'max_quantity')
  if (least !== undefined) problems.check(least > 0n, 'min_quantity', 'must be at least one lot')
  if (most !== undefined) {
    problems.check(most >= (least ?? 1n), 'max_quantity', 'must be at least min_quantity')
    const countable = most * MARKET_ORDER_CAP <= BigInt(Number.MAX_SAFE_INTEGER)
    problems.check(countable, 'max_quantity', 'is more lots than the engine can count; use a larger lot_size')
  }
  const notional = problems.read(() => {
    // Without a quote asset there is still the number to look at.
    parseExact(definition.minNotional, 'min_notional')
    return quote && parseMinor(definition.minNotional, quote.decimals, 'min_notional')
  })
  checkNumbers(problems, definition)
  problems.throwIfAny()
  if (!base || !quote || !tick || !lot || notional === undefined)
    throw new Error('a definition without problems is whole')
  return {
    ...definition,
    baseDecimals: base.decimals,
    quoteDecimals: quote.decimals,
    tickSize: formatExact(tick),
    lotSize: formatExact(lot),
    minQuantity: formatExact(parseExact(definition.minQuantity, 'min_quantity')),
    maxQuantity: formatExact(parseExact(definition.maxQuantity, 'max_quantity')),
    minNotional: formatExact(parseExact(definition.minNotional, 'min_notional')),
  }
}

/** A number of lots; without a lot size, whether it is a number at all. */
const steps = (problems: Problems, text: string, lot: ExactDecimal | undefined, field: string): bigint | undefined =>
  problems.read(() => {
    parseExact(text, field)
    return lot && parseSteps(text, lot, 'lot size', field)
  })

function checkNumbers(problems: Problems, definition: Definition): void {
  const { priceBandBps, makerFeeBps, takerFeeBps, maxOpenOrders, wantedStatus } = definition
  problems.check(within(priceBandBps, 1, 10_000), 'price_band_bps', 'must be from 1 to 10000')
  // Rebates (negative fees) come with their account in the ledger.
  problems.check(within(makerFeeBps, 0, MAX_FEE_BPS), 'maker_fee_bps', `must be from 0 to ${MAX_FEE_BPS}`)
  problems.check(within(takerFeeBps, 0, MAX_FEE_BPS), 'taker_fee_bps', `must be from 0 to ${MAX_FEE_BPS}`)
  problems.check(within(maxOpenOrders, 1, MAX_OPEN_ORDERS), 'max_open_orders', `must be from 1 to ${MAX_OPEN_ORDERS}`)
  const known = wantedStatus !== MarketStatus.UNSPECIFIED && wantedStatus in MarketStatus
  problems.check(known, 'status', 'must be pre_open, trading, cancel_only, halted or delisted')
}

function knownAsset(
  problems: Problems,
  assets: readonly AssetFacts[],
  symbol: string,
  field: string,
): AssetFacts | undefined {
  const asset = assets.find((candidate) => candidate.symbol === symbol)
  problems.check(asset !== undefined, field, 'names no asset of the ledger')
  problems.check(asset?.isActive !== false, field, 'names an asset that is not active')
  return asset
}

function positive(text: string, field: string) {
  const exact = parseExact(text, field)
  if (exact.units === 0n) throw invalidField(field, 'must be greater than zero')
  return exact
}

/** Fields that orders are counted in, and their names for callers. */
const fixed = [
  ['baseAsset', 'base_asset'],
  ['quoteAsset', 'quote_asset'],
  ['tickSize', 'tick_size'],
  ['lotSize', 'lot_size'],
] as const

/** "0.050" and "0.05" are one number; what is no number is only itself. */
function shortest(text: string): string {
  try {
    return formatExact(parseExact(text, 'number'))
  } catch {
    return text
  }
}

/** Which of the fields that never change after a market's first order would change. */
const fixedFieldsChanged = (before: Definition, after: Definition): string[] =>
  fixed.filter(([key]) => shortest(before[key]) !== shortest(after[key])).map(([, name]) => name)

/**
 * Refuses what cannot be undone, whatever else is wrong with the new definition.
 * @throws DomainError conflict
 */
export function checkChange(before: Definition, after: Definition, hadOrder: boolean): void {
  const changed = fixedFieldsChanged(before, after)
  if (hadOrder && changed.length > 0) {
    const details = Object.fromEntries(changed.map((name) => [name, 'never changes once the market has had an order']))
    throw new DomainError('conflict', 'The market has had orders: list a new market instead.', details)
  }
  if (before.wantedStatus === MarketStatus.DELISTED && after.wantedStatus !== MarketStatus.DELISTED) {
    throw new DomainError('conflict', 'The market is delisted for good: list a new market instead.')
  }
}
