import { BookSide, BookUpdateSchema, OrderBookSchema } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { create } from '@bufbuild/protobuf'
import { Book } from '../src/stream/book.ts'
import { bookChecksum } from '../src/stream/checksum.ts'
import { bookSnapshot, bookUpdate, items, latest } from '../src/stream/events.ts'

const levels = (text: string) =>
  text
    .split(' ')
    .filter(Boolean)
    .map((level) => {
      const [price = '', quantity = ''] = level.split('x')
      return { price, quantity }
    })
const bookOf = (bids: string, asks: string, seq = 1n) =>
  new Book(create(OrderBookSchema, { symbol: 'BTC-THB', seq, bids: levels(bids), asks: levels(asks) }))
const update = (seq: bigint, side: BookSide, level: string) =>
  create(BookUpdateSchema, { symbol: 'BTC-THB', seq, changes: levels(level).map((one) => ({ side, ...one })) })
const read = (bytes: Buffer | undefined) => JSON.parse(String(bytes))

it('has the checksum of the example in the documentation of Kraken v2', () => {
  const asks = levels(
    '45285.2x0.00100000 45286.4x1.54571953 45286.6x1.54571109 45289.6x1.54560911 45290.2x0.15890660 ' +
      '45291.8x1.54553491 45294.7x0.04454749 45296.1x0.35380000 45297.5x0.09945542 45299.5x0.18772827',
  )
  const bids = levels(
    '45283.5x0.10000000 45283.4x1.54582015 45282.1x0.10000000 45281.0x0.10000000 45280.3x1.54592586 ' +
      '45279.0x0.07990000 45277.6x0.03310103 45277.5x0.30000000 45277.3x1.54602737 45276.6x0.15445238',
  )
  expect(bookChecksum(asks, bids)).toBe(3310070434)
})

it('keeps both sides sorted by price, not by text', () => {
  const book = bookOf('99.00x1 9.00x1', '101.00x1')
  book.apply(update(2n, BookSide.ASK, '1000.00x2 100.00x3'))
  book.apply(update(3n, BookSide.BID, '99.00x0.0000 98.00x5 9.00x7'))
  expect(read(book.snapshotFrame())).toMatchObject({
    seq: 3,
    bids: levels('98.00x5 9.00x7'),
    asks: levels('100.00x3 101.00x1 1000.00x2'),
  })
})

it('refuses an update that does not follow', () => {
  const book = bookOf('99.00x1', '')
  expect(book.apply(update(3n, BookSide.BID, '98.00x1'))).toBeUndefined()
  expect(book.seq).toBe(1)
})

it('merges the updates that a slow reader missed into one that ends at the same book', () => {
  const book = bookOf('99.00x1', '101.00x1')
  const first = bookUpdate(book, book.apply(update(2n, BookSide.BID, '99.00x2')) ?? [])
  let pending = first.merge(undefined)
  const second = bookUpdate(book, book.apply(update(3n, BookSide.BID, '99.00x3')) ?? [])
  pending = second.merge(pending)
  const third = bookUpdate(book, book.apply(update(4n, BookSide.ASK, '101.00x0')) ?? [])
  pending = third.merge(pending)
  expect(pending.render().map(read)).toEqual([
    expect.objectContaining({
      type: 'update',
      prev_seq: 1,
      seq: 4,
      changes: [
        { side: 'bid', price: '99.00', quantity: '3' },
        { side: 'ask', price: '101.00', quantity: '0' },
      ],
      checksum: book.checksum,
    }),
  ])
})

it('a snapshot that waits takes in what comes after it', () => {
  const book = bookOf('99.00x1', '')
  let pending = bookSnapshot(book).merge(undefined)
  pending = bookUpdate(book, book.apply(update(2n, BookSide.BID, '99.00x2')) ?? []).merge(pending)
  expect(pending.render().map(read)).toEqual([
    expect.objectContaining({ type: 'snapshot', seq: 2, bids: levels('99.00x2') }),
  ])
})

it('a slow reader gets the newest ticker, the last of each candle, and every trade', () => {
  const ticker = latest('', { last: '2' }).merge(latest('', { last: '1' }).merge(undefined))
  expect(ticker.render().map(read)).toEqual([{ last: '2' }])
  const candle = latest('10:01', { close: '3' }).merge(latest('10:00', { close: '2', closed: true }).merge(undefined))
  expect(candle.render().map(read)).toEqual([{ close: '2', closed: true }, { close: '3' }])
  const trades = items({ type: 'trade', items: [{ id: 2 }] }).merge(
    items({ type: 'trade', items: [{ id: 1 }] }).merge(undefined),
  )
  expect(trades.render().map(read)).toEqual([{ type: 'trade', items: [{ id: 1 }, { id: 2 }] }])
})
