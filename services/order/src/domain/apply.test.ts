import { CancelReason, MarketStatus, OrderSide, RejectReason } from '@bitka/proto/bitka/common/v1/market_pb'
import { CloseReason, type MatchResult, MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { order, position } from '../../test/samples.ts'
import { applyMessage, type Board, emptyBoard } from './apply.ts'
import { type Order, remainingLots } from './order.ts'

type Body = Exclude<MessageInitShape<typeof MatchResultsSchema>['results'], undefined>[number]['body']

const BUYER = order()
const SELLER = order({
  id: '01900000-0000-7000-8000-000000000002',
  side: OrderSide.SELL,
  holdAsset: 'BTC',
  receiveAsset: 'THB',
})

const boardOf = (...orders: Order[]): Board => ({
  ...emptyBoard(),
  positions: new Map([['BTC-THB', position()]]),
  orders: new Map(orders.map((one) => [one.id, one])),
})

const message = (first: bigint, bodies: Body[], over: MessageInitShape<typeof MatchResultsSchema> = {}) =>
  create(MatchResultsSchema, {
    symbol: 'BTC-THB',
    commandSeq: 2n,
    timeMs: 1_000n,
    results: bodies.map((body, index) => ({ number: first + BigInt(index), body }) as MatchResult),
    ...over,
  })

const of = ({ id: orderId, userId }: Order) => ({ orderId, userId })
const accepted = (one: Order): Body => ({ case: 'orderAccepted', value: of(one) })
const closed = (one: Order, reason: CloseReason): Body => ({ case: 'orderClosed', value: { ...of(one), reason } })
const trade = (maker: Order, taker: Order, filledLots: bigint): Body => ({
  case: 'trade',
  value: {
    tradeNumber: 7n,
    priceTicks: 1_000_000n,
    quantityLots: filledLots,
    takerSide: taker.side,
    maker: { ...of(maker), quoteAmount: '500', fee: '1', holdAfter: '0', filledLots },
    taker: { ...of(taker), quoteAmount: '501', fee: '2', holdAfter: '0', filledLots },
  },
})

it('takes an order through its life', () => {
  const board = boardOf(BUYER, SELLER)
  applyMessage(board, message(2n, [accepted(BUYER)]))
  expect(board.orders.get(BUYER.id)).toMatchObject({ state: 'open', updatedAt: new Date(1_000) })
  const filled: Body[] = [accepted(SELLER), trade(BUYER, SELLER, 4_000n), closed(SELLER, CloseReason.IOC)]
  applyMessage(board, message(3n, filled, { lastPriceTicks: 1_000_000n }))
  expect(board.orders.get(BUYER.id)).toMatchObject({ state: 'partially_filled', filledLots: 4_000n, quoteTotal: 500n })
  const seller = board.orders.get(SELLER.id)!
  expect(seller).toMatchObject({ state: 'cancelled', cancelReason: CancelReason.IOC, quoteTotal: 501n })
  expect(remainingLots(seller)).toBe(6_000n)
  expect(board.fills.map(({ fillId, side, fee, feeAsset }) => ({ fillId, side, fee, feeAsset }))).toEqual([
    { fillId: 'BTC-THB-7-m', side: OrderSide.BUY, fee: 1n, feeAsset: 'BTC' },
    { fillId: 'BTC-THB-7-t', side: OrderSide.SELL, fee: 2n, feeAsset: 'THB' },
  ])
  expect(board.positions.get('BTC-THB')).toMatchObject({ lastResultNumber: 5n, lastPriceTicks: 1_000_000n })
  expect(board.ended.map(({ id }) => id)).toEqual([SELLER.id])
})

it('counts what self-trade prevention took off, until the order is closed', () => {
  const board = boardOf(BUYER)
  const smaller: Body = { case: 'orderReduced', value: { ...of(BUYER), remainingLots: 9_000n, holdAfter: '1' } }
  applyMessage(board, message(2n, [accepted(BUYER), smaller]))
  expect(remainingLots(board.orders.get(BUYER.id)!)).toBe(9_000n)
  applyMessage(board, message(4n, [closed(BUYER, CloseReason.USER)]))
  expect(remainingLots(board.orders.get(BUYER.id)!)).toBe(10_000n)
})

it('rejects, and forgets the cancel that was on its way', () => {
  const board = boardOf({ ...BUYER, cancelSeq: 3n })
  const no: Body = { case: 'orderRejected', value: { ...of(BUYER), reason: RejectReason.NO_LIQUIDITY } }
  applyMessage(board, message(2n, [no]))
  expect(board.orders.get(BUYER.id)).toMatchObject({
    state: 'rejected',
    rejectReason: RejectReason.NO_LIQUIDITY,
    cancelSeq: null,
  })
  expect(board.ended).toEqual([])
})

it('follows the status of the market', () => {
  const board = boardOf()
  applyMessage(board, message(2n, [{ case: 'marketStatusChanged', value: { status: MarketStatus.HALTED } }]))
  expect(board.positions.get('BTC-THB')?.status).toBe(MarketStatus.HALTED)
})

it('skips results that it has applied, also the first part of a message', () => {
  const board = boardOf(BUYER)
  applyMessage(board, message(2n, [accepted(BUYER)]))
  applyMessage(board, message(2n, [accepted(BUYER), closed(BUYER, CloseReason.USER)]))
  applyMessage(board, message(2n, [accepted(BUYER), closed(BUYER, CloseReason.USER)]))
  expect(board.orders.get(BUYER.id)?.state).toBe('cancelled')
  expect(board.ended).toHaveLength(1)
})

test.each<[string, bigint, Body[], RegExp]>([
  ['a gap', 3n, [accepted(BUYER)], /jump from 1 to 3/],
  ['an order that does not exist', 2n, [accepted(SELLER)], /does not exist/],
  ['a close before the order was accepted', 2n, [closed(BUYER, CloseReason.USER)], /submitted is not closed/],
  ['a second acceptance', 2n, [accepted(BUYER), accepted(BUYER)], /open is not accepted/],
  [
    'a fill beyond the quantity',
    2n,
    [accepted(BUYER), trade(BUYER, { ...BUYER, side: OrderSide.SELL }, 10_001n)],
    /no more trades/,
  ],
])('stops at %s', (_, first, bodies, reason) => {
  expect(() => applyMessage(boardOf(BUYER), message(first, bodies))).toThrow(reason)
})

it('ignores a cancel of something that is not ours', () => {
  const board = boardOf()
  applyMessage(board, message(2n, [{ case: 'cancelRejected', value: { orderId: BUYER.id } }]))
  expect(board.positions.get('BTC-THB')?.lastResultNumber).toBe(2n)
})
