import type { MakerPlan } from './strategy.ts'

/** What the demo trades in one market. Prices and quantities are decimal strings. */
export type MarketPlan = {
  symbol: string
  /** Where the fair price begins and is pulled back to. */
  home: string
  /** One quote of a maker. */
  quote: string
  /** A usual order of a taker. */
  take: string
  halfSpread: number
}

export const marketPlans: readonly MarketPlan[] = [
  { symbol: 'BTC-THB', home: '1000000', quote: '0.05', take: '0.01', halfSpread: 0.0008 },
  { symbol: 'ETH-THB', home: '60000', quote: '0.5', take: '0.1', halfSpread: 0.001 },
  { symbol: 'USDT-THB', home: '33.5', quote: '3000', take: '400', halfSpread: 0.0006 },
]

export const makerShape: Omit<MakerPlan, 'lots' | 'halfSpread'> = { levels: 3, skew: 0.8 }

/** Quotes move when they are this far from where they should be, in half spreads. */
export const TOLERANCE = 0.25

export const makerNames = ['market-maker-1', 'market-maker-2'] as const
export const takerNames = ['taker-1', 'taker-2', 'taker-3'] as const

/** Everybody of the demo is brought up to this when they have less than a tenth of it. */
export const makerFunds: Readonly<Record<string, string>> = { BTC: '20', ETH: '300', USDT: '500000', THB: '40000000' }
export const takerFunds: Readonly<Record<string, string>> = { BTC: '5', ETH: '80', USDT: '150000', THB: '12000000' }
