import {
  MarketStatus,
  OrderSide,
  OrderType,
  SelfTradePrevention,
  TimeInForce,
} from '@bitka/proto/bitka/common/v1/market_pb'
import type { Market, Position } from '../src/domain/market.ts'
import type { Order } from '../src/domain/order.ts'

/** BTC-THB: tick 0.05 THB, lot 0.0001 BTC. */
export const market = (over: Partial<Market> = {}): Market => ({
  symbol: 'BTC-THB',
  baseAsset: 'BTC',
  quoteAsset: 'THB',
  baseDecimals: 8,
  quoteDecimals: 2,
  tickSize: '0.05',
  lotSize: '0.0001',
  minQuantity: '0.0001',
  maxQuantity: '100',
  minNotional: '10',
  priceBandBps: 1_000,
  makerFeeBps: 10,
  takerFeeBps: 20,
  maxOpenOrders: 200,
  partition: 1,
  wantedStatus: MarketStatus.TRADING,
  createdAt: new Date(0),
  ...over,
})

/** A market that trades and has no prices yet. */
export const position = (over: Partial<Position> = {}): Position => ({
  symbol: 'BTC-THB',
  lastResultNumber: 1n,
  lastCommandSeq: 1n,
  status: MarketStatus.TRADING,
  lastPriceTicks: null,
  bestBidTicks: null,
  bestAskTicks: null,
  ...over,
})

/** A limit buy of 1 BTC at 50,000 THB that the engine has not seen yet. */
export const order = (over: Partial<Order> = {}): Order => ({
  id: '01900000-0000-7000-8000-000000000001',
  userId: '01900000-0000-7000-8000-00000000000a',
  symbol: 'BTC-THB',
  side: OrderSide.BUY,
  type: OrderType.LIMIT,
  timeInForce: TimeInForce.GTC,
  postOnly: false,
  selfTradePrevention: SelfTradePrevention.CANCEL_NEWEST,
  clientOrderId: null,
  metadata: null,
  priceTicks: 1_000_000n,
  quantityLots: 10_000n,
  filledLots: 0n,
  reducedLots: 0n,
  quoteTotal: 0n,
  holdAsset: 'THB',
  receiveAsset: 'BTC',
  holdAmount: 5_000_000n,
  makerFeeBps: 10,
  takerFeeBps: 20,
  state: 'submitted',
  cancelReason: null,
  rejectReason: null,
  revision: 1n,
  commandSeq: 2n,
  cancelSeq: null,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  ...over,
})
