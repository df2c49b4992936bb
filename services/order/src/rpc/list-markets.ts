import type { MethodImpl } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { parsePage } from '@bitka/store'
import type { OrderContext } from '../context.ts'
import * as markets from '../store/markets.ts'
import { encodeMarket } from './encode.ts'
import { sliceOf } from './pages.ts'

/** The markets by symbol, for operators. */
export const listMarkets =
  ({ db }: OrderContext): MethodImpl<typeof OrderService.method.listMarkets> =>
  async (request) => {
    const page = parsePage(request)
    const { items, pagination } = sliceOf(await markets.all(db), page)
    return { items: items.map(encodeMarket), pagination }
  }
