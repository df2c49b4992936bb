import { RejectReason } from '@bitka/proto/bitka/common/v1/market_pb'
import { MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import { create } from '@bufbuild/protobuf'
import { applyMessage, emptyBoard } from '../src/domain/apply.ts'
import type { OrderState } from '../src/domain/order.ts'
import { order, position } from './samples.ts'

/** The engine forgets what is closed: a record about it that cannot be read is answered as if it had been a new order. */
it.each<OrderState>(['filled', 'cancelled', 'rejected'])(
  'leaves an order that is %s when a record about it does not decode',
  (state) => {
    const closed = order({ state, cancelSeq: 7n })
    const board = {
      ...emptyBoard(),
      positions: new Map([['BTC-THB', position()]]),
      orders: new Map([[closed.id, closed]]),
    }
    const message = create(MatchResultsSchema, {
      symbol: 'BTC-THB',
      commandSeq: 8n,
      timeMs: 1_000n,
      results: [
        { number: 2n, body: { case: 'orderRejected', value: { orderId: closed.id, reason: RejectReason.INVALID } } },
      ],
    })
    applyMessage(board, message)
    expect(board.orders.get(closed.id)).toMatchObject({ state, rejectReason: null, cancelSeq: null })
    expect(board.positions.get('BTC-THB')?.lastResultNumber).toBe(2n)
    expect(board.ended).toEqual([])
  },
)
