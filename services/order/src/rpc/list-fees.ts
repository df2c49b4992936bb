import { type MethodImpl, userOf } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { OrderContext } from '../context.ts'
import * as fills from '../store/fills.ts'
import * as markets from '../store/markets.ts'
import { encodeFees } from './encode.ts'

const VOLUME_MS = 30 * 24 * 60 * 60_000

/** The caller's rates in every market, with what the caller has traded there in the last 30 days. */
export const listFees =
  ({ db, clock }: OrderContext): MethodImpl<typeof OrderService.method.listFees> =>
  async (_, call) => {
    const [views, volumes] = await Promise.all([
      markets.all(db),
      fills.volumes(db, userOf(call).userId, new Date(clock.nowMs() - VOLUME_MS)),
    ])
    return { items: views.map((view) => encodeFees(view, volumes.get(view.market.symbol) ?? 0n)) }
  }
