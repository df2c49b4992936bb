import type { Liquidity, OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import { Liquidity as Role } from '@bitka/proto/bitka/common/v1/market_pb'

/** One order's part in one trade. Amounts are the engine's, in minor units. */
export type Fill = {
  fillId: string
  orderId: string
  userId: string
  symbol: string
  side: OrderSide
  tradeNumber: bigint
  priceTicks: bigint
  quantityLots: bigint
  quoteAmount: bigint
  fee: bigint
  feeAsset: string
  liquidity: Liquidity
  executedAt: Date
}

/** The trade's public id, the same for both sides and in market data: its market and its number there. */
export const tradeIdOf = (symbol: string, tradeNumber: bigint): string => `${symbol}-${tradeNumber}`

/** From the trade, so that a result that is read again makes the same fill. */
export const fillIdOf = (symbol: string, tradeNumber: bigint, liquidity: Liquidity): string =>
  `${tradeIdOf(symbol, tradeNumber)}-${liquidity === Role.MAKER ? 'm' : 't'}`
