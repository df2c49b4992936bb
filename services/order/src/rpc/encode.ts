import { assert, formatMinor } from '@bitka/kernel'
import type {
  FeeRates,
  Fill as FillMessage,
  MarketSchema,
  OrderFill,
  OrderSchema,
} from '@bitka/proto/bitka/order/v1/order_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import { formatSteps } from '../domain/decimal.ts'
import { type Fill, tradeIdOf } from '../domain/fill.ts'
import { type Market, type Scale, scaleOf, shownStatus } from '../domain/market.ts'
import { type Order, remainingLots, statusOf } from '../domain/order.ts'
import type { MarketView } from '../store/markets.ts'

type OrderInit = MessageInitShape<typeof OrderSchema>
type Plain<T> = Omit<T, '$typeName' | '$unknown'>
type MarketInit = MessageInitShape<typeof MarketSchema>

/** Writes what is counted in a market's ticks, lots and minor units as people read it. */
export class Encoder {
  private readonly scales = new Map<string, Scale>()

  constructor(private readonly views: ReadonlyMap<string, MarketView>) {}

  order(order: Order, fills: readonly Fill[]): OrderInit {
    const { scale } = this.of(order.symbol)
    return {
      orderId: order.id,
      clientOrderId: order.clientOrderId ?? undefined,
      symbol: order.symbol,
      side: order.side,
      type: order.type,
      price: order.priceTicks === null ? undefined : formatSteps(order.priceTicks, scale.tick),
      quantity: formatSteps(order.quantityLots, scale.lot),
      filledQuantity: formatSteps(order.filledLots, scale.lot),
      remainingQuantity: formatSteps(remainingLots(order), scale.lot),
      status: statusOf(order),
      timeInForce: order.timeInForce,
      postOnly: order.postOnly,
      selfTradePrevention: order.selfTradePrevention,
      createdAt: timestampFromDate(order.createdAt),
      updatedAt: timestampFromDate(order.updatedAt),
      fills: fills.map((fill) => this.fill(fill)),
      cancelReason: order.cancelReason ?? undefined,
      rejectReason: order.rejectReason ?? undefined,
      metadata: order.metadata ?? {},
      revision: order.revision,
    }
  }

  fill(fill: Fill): Plain<FillMessage> {
    const { scale, market } = this.of(fill.symbol)
    const feeDecimals = fill.feeAsset === market.baseAsset ? market.baseDecimals : market.quoteDecimals
    return {
      fillId: fill.fillId,
      tradeId: tradeIdOf(fill.symbol, fill.tradeNumber),
      price: formatSteps(fill.priceTicks, scale.tick),
      quantity: formatSteps(fill.quantityLots, scale.lot),
      quoteAmount: formatMinor(fill.quoteAmount, market.quoteDecimals),
      fee: formatMinor(fill.fee, feeDecimals),
      feeAsset: fill.feeAsset,
      liquidity: fill.liquidity,
      timestamp: timestampFromDate(fill.executedAt),
    }
  }

  orderFill(fill: Fill): Plain<OrderFill> {
    const { orderId, symbol, side } = fill
    return { ...this.fill(fill), orderId, symbol, side }
  }

  private of(symbol: string): { market: Market; scale: Scale } {
    const market = this.views.get(symbol)?.market
    assert(market, 'an order has a market')
    const scale = this.scales.get(symbol) ?? scaleOf(market)
    this.scales.set(symbol, scale)
    return { market, scale }
  }
}

export const encodeMarket = ({ market, position }: MarketView): MarketInit => ({
  symbol: market.symbol,
  baseAsset: market.baseAsset,
  quoteAsset: market.quoteAsset,
  tickSize: market.tickSize,
  lotSize: market.lotSize,
  minQuantity: market.minQuantity,
  maxQuantity: market.maxQuantity,
  minNotional: market.minNotional,
  priceBandBps: market.priceBandBps,
  status: shownStatus(position),
  makerFeeBps: market.makerFeeBps,
  takerFeeBps: market.takerFeeBps,
  partition: market.partition,
  maxOpenOrders: market.maxOpenOrders,
  createdAt: timestampFromDate(market.createdAt),
})

/** The caller's rates in a market: the market's own, until there are tiers by volume. */
export const encodeFees = ({ market }: MarketView, volume: bigint): Plain<FeeRates> => ({
  symbol: market.symbol,
  makerFeeBps: market.makerFeeBps,
  takerFeeBps: market.takerFeeBps,
  volume30d: formatMinor(volume, market.quoteDecimals),
})
