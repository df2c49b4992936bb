import {
  OrderSide,
  CancelReason as WireCancelReason,
  MarketStatus as WireMarketStatus,
  OrderType as WireOrderType,
  RejectReason as WireRejectReason,
  SelfTradePrevention as WireStp,
  TimeInForce as WireTimeInForce,
} from '@bitka/proto/bitka/common/v1/market_pb'
import { CloseReason as WireCloseReason } from '@bitka/proto/bitka/events/v1/trading_pb'
import type {
  CancelReason,
  MarketStatus,
  OrderType,
  SelfTradePrevention,
  Side,
  TimeInForce,
} from '../domain/command.ts'
import type { CloseReason, RejectReason } from '../domain/result.ts'

// The engine's words and those of the contracts. `satisfies` turns a forgotten word into a compile error.

export const sides = { buy: OrderSide.BUY, sell: OrderSide.SELL } as const satisfies Record<Side, OrderSide>

export const orderTypes = {
  limit: WireOrderType.LIMIT,
  market: WireOrderType.MARKET,
} as const satisfies Record<OrderType, WireOrderType>

export const timesInForce = {
  GTC: WireTimeInForce.GTC,
  IOC: WireTimeInForce.IOC,
  FOK: WireTimeInForce.FOK,
} as const satisfies Record<TimeInForce, WireTimeInForce>

export const preventions = {
  cancel_newest: WireStp.CANCEL_NEWEST,
  cancel_oldest: WireStp.CANCEL_OLDEST,
  cancel_both: WireStp.CANCEL_BOTH,
  decrement_and_cancel: WireStp.DECREMENT_AND_CANCEL,
} as const satisfies Record<SelfTradePrevention, WireStp>

export const statuses = {
  pre_open: WireMarketStatus.PRE_OPEN,
  trading: WireMarketStatus.TRADING,
  cancel_only: WireMarketStatus.CANCEL_ONLY,
  halted: WireMarketStatus.HALTED,
  delisted: WireMarketStatus.DELISTED,
} as const satisfies Record<MarketStatus, WireMarketStatus>

/** The reasons that a command may give. */
export const cancelReasons = {
  user: WireCancelReason.USER,
  expired: WireCancelReason.EXPIRED,
  dead_man: WireCancelReason.DEAD_MAN,
} as const satisfies Record<CancelReason, WireCancelReason>

export const closeReasons = {
  filled: WireCloseReason.FILLED,
  user: WireCloseReason.USER,
  ioc: WireCloseReason.IOC,
  fok: WireCloseReason.FOK,
  expired: WireCloseReason.EXPIRED,
  self_trade: WireCloseReason.SELF_TRADE,
  no_liquidity: WireCloseReason.NO_LIQUIDITY,
  price_band: WireCloseReason.PRICE_BAND,
  dead_man: WireCloseReason.DEAD_MAN,
  market_closed: WireCloseReason.MARKET_CLOSED,
} as const satisfies Record<CloseReason, WireCloseReason>

export const rejectReasons = {
  invalid: WireRejectReason.INVALID,
  market_halted: WireRejectReason.MARKET_HALTED,
  expired: WireRejectReason.EXPIRED,
  post_only_would_take: WireRejectReason.POST_ONLY_WOULD_TAKE,
  no_liquidity: WireRejectReason.NO_LIQUIDITY,
  price_band: WireRejectReason.PRICE_BAND,
  trigger_passed: WireRejectReason.TRIGGER_PASSED,
} as const satisfies Record<RejectReason, WireRejectReason>
