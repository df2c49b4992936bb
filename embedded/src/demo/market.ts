import type { MarketSymbol } from '@bitka/client'
import { formatMinorFixed, parseMinor } from '@bitka/kernel'

/** A market in whole ticks and lots, which are what strategies count in. */
export class Market {
  readonly symbol: string
  readonly base: string
  readonly quote: string
  private readonly tick: Step
  private readonly lot: Step

  constructor({ symbol, base_asset, quote_asset, tick_size, lot_size }: MarketSymbol) {
    this.symbol = symbol
    this.base = base_asset
    this.quote = quote_asset
    this.tick = stepOf(tick_size)
    this.lot = stepOf(lot_size)
  }

  priceOf = (ticks: number): string => textOf(ticks, this.tick)
  quantityOf = (lots: number): string => textOf(lots, this.lot)
  ticksOf = (price: string): number => countOf(price, this.tick)
  lotsOf = (quantity: string): number => countOf(quantity, this.lot)
}

/** A smallest step: `minor` units of 10^-decimals. */
type Step = { minor: bigint; decimals: number }

function stepOf(text: string): Step {
  const decimals = text.split('.')[1]?.length ?? 0
  return { minor: parseMinor(text, decimals), decimals }
}

const textOf = (count: number, { minor, decimals }: Step): string =>
  formatMinorFixed(BigInt(Math.round(count)) * minor, decimals)

/** Whole steps; what is smaller than a step does not count. */
function countOf(text: string, { minor, decimals }: Step): number {
  const [whole = '0', fraction = ''] = text.split('.')
  return Number(BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, '0')) / minor)
}
