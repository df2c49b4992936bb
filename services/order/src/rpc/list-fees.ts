import { type MethodImpl, userOf } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { parsePage } from '@bitka/store'
import type { OrderContext } from '../context.ts'
import * as fills from '../store/fills.ts'
import * as markets from '../store/markets.ts'
import { encodeFees } from './encode.ts'
import { sliceOf } from './pages.ts'

const VOLUME_MS = 30 * 24 * 60 * 60_000

/** The caller's rates by market, with what the caller has traded there in the last 30 days. */
export const listFees =
  ({ db, clock }: OrderContext): MethodImpl<typeof OrderService.method.listFees> =>
  async (request, call) => {
    const page = parsePage(request)
    const [views, volumes] = await Promise.all([
      markets.all(db),
      fills.volumes(db, userOf(call).userId, new Date(clock.nowMs() - VOLUME_MS)),
    ])
    const { items, pagination } = sliceOf(views, page)
    return { items: items.map((view) => encodeFees(view, volumes.get(view.market.symbol) ?? 0n)), pagination }
  }
