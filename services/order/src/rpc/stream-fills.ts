import { type MethodImpl, userOf } from '@bitka/mesh'
import type { OrderFill, OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { OrderContext } from '../context.ts'
import * as fills from '../store/fills.ts'
import * as markets from '../store/markets.ts'
import { Encoder } from './encode.ts'
import { changesFor } from './stream.ts'

const BATCH_MAX = 500

/** The caller's fills after a known one, then each new one. All of them, in the order in which they were stored. */
export const streamFills = (ctx: OrderContext): MethodImpl<typeof OrderService.method.streamFills> =>
  async function* ({ sinceFillId }, call) {
    const { db, hub } = ctx
    const { userId } = userOf(call)
    const feed = hub.feed(userId)
    try {
      // An unknown one cannot be gone on from: begin with what is new.
      const since = sinceFillId === undefined ? undefined : await fills.seqOf(db, userId, sinceFillId)
      let seq = since ?? (await fills.lastSeq(db, userId))
      const next = async (): Promise<fills.StoredFill[]> => {
        const found = await fills.after(db, userId, seq, BATCH_MAX)
        seq = found.at(-1)?.seq ?? seq
        return found
      }
      let snapshot = true
      for (let found = await next(); snapshot || found.length > 0; found = await next()) {
        yield { snapshot, items: await encode(ctx, found) }
        snapshot = false
      }
      for await (const _ of changesFor(ctx, call, feed)) {
        for (let found = await next(); found.length > 0; found = await next()) {
          yield { snapshot: false, items: await encode(ctx, found) }
        }
      }
    } finally {
      feed.close()
    }
  }

async function encode(
  { db }: OrderContext,
  found: readonly fills.StoredFill[],
): Promise<Omit<OrderFill, '$typeName' | '$unknown'>[]> {
  if (found.length === 0) return []
  const encoder = new Encoder(await markets.bySymbols(db, [...new Set(found.map(({ symbol }) => symbol))]))
  return found.map((fill) => encoder.orderFill(fill))
}
