import { isUuid } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { cursorTime, cutPage, decodeCursor, parsePage } from '@bitka/store'
import { timestampDate } from '@bufbuild/protobuf/wkt'
import { z } from 'zod'
import type { OrderContext } from '../context.ts'
import * as fills from '../store/fills.ts'
import * as markets from '../store/markets.ts'
import { Encoder } from './encode.ts'
import { pageOf } from './pages.ts'

/** Time and number of the last fill of a page. */
const place = z.tuple([z.iso.datetime(), z.string().regex(/^[0-9]{1,18}$/)])

/** A page of the caller's fills, newest first. */
export const listFills =
  ({ db }: OrderContext): MethodImpl<typeof OrderService.method.listFills> =>
  async (request, call) => {
    const page = parsePage(request)
    const { symbol, orderId, from, to, cursor } = request
    const after = cursor === undefined ? undefined : decodeCursor(cursor, placeOf)
    // An id that is malformed names no order, so nothing of it was ever filled.
    if (orderId !== undefined && !isUuid(orderId))
      return { items: [], pagination: pageOf(page, after ? undefined : 0, undefined) }
    const filter = {
      userId: userOf(call).userId,
      symbol,
      orderId,
      from: from && timestampDate(from),
      to: to && timestampDate(to),
    }
    const [rows, total] = await Promise.all([
      fills.list(db, filter, { after, offset: after ? 0 : page.offset, limit: page.perPage + 1 }),
      after ? undefined : fills.count(db, filter),
    ])
    const { items, nextCursor } = cutPage(rows, page.perPage, (fill) => [
      fill.executedAt.toISOString(),
      String(fill.seq),
    ])
    const encoder = new Encoder(await markets.bySymbols(db, [...new Set(items.map((fill) => fill.symbol))]))
    return { items: items.map((fill) => encoder.orderFill(fill)), pagination: pageOf(page, total, nextCursor) }
  }

function placeOf(key: unknown): fills.FillPlace {
  const [executedAt, seq] = place.parse(key)
  return { executedAt: cursorTime(Date.parse(executedAt)), seq: BigInt(seq) }
}
