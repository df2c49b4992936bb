import type { CallContext } from '@bitka/mesh'
import type { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { commandStatus, waitForMarket } from '../commands/markets.ts'
import type { OrderContext } from '../context.ts'
import { MARKET_WAIT_MS } from './create-market.ts'
import { encodeMarket } from './encode.ts'
import { checkText, waitOf } from './request.ts'

/** Asks the engine to take something else in a market, and waits a little for it. */
export async function changeStatus(
  ctx: OrderContext,
  call: CallContext,
  request: { symbol: string; reason?: string | undefined },
  change: { status: MarketStatus; action: string },
) {
  const { symbol, reason } = request
  checkText('reason', reason, 200)
  const commanded = await ctx.db.transaction((tx) => commandStatus(ctx, tx, { symbol, reason, call, ...change }))
  return { market: encodeMarket(await waitForMarket(ctx, commanded, waitOf(call, MARKET_WAIT_MS))) }
}
