import type { MethodImpl } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { OrderContext } from '../context.ts'
import * as markets from '../store/markets.ts'
import { encodeMarket } from './encode.ts'

/** Every market, for operators. */
export const listMarkets =
  ({ db }: OrderContext): MethodImpl<typeof OrderService.method.listMarkets> =>
  async () => ({ items: (await markets.all(db)).map(encodeMarket) })
