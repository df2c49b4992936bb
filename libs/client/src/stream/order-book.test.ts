import type { BookChange, PriceLevel } from '../types/markets.ts'
import { bookChecksum } from './checksum.ts'
import { OrderBook } from './order-book.ts'

const levels = (...pairs: [price: string, quantity: string][]): PriceLevel[] =>
  pairs.map(([price, quantity]) => ({ price, quantity }))
const timestamp = '2026-01-31T00:00:00.000Z'
const symbol = 'BTC-THB'

describe('bookChecksum', () => {
  it('agrees with the example in the documentation of Kraken', () => {
    const asks = levels(
      ['45285.2', '0.00100000'],
      ['45286.4', '1.54571953'],
      ['45286.6', '1.54571109'],
      ['45289.6', '1.54560911'],
      ['45290.2', '0.15890660'],
      ['45291.8', '1.54553491'],
      ['45294.7', '0.04454749'],
      ['45296.1', '0.35380000'],
      ['45297.5', '0.09945542'],
      ['45299.5', '0.18772827'],
    )
    const bids = levels(
      ['45283.5', '0.10000000'],
      ['45283.4', '1.54582015'],
      ['45282.1', '0.10000000'],
      ['45281.0', '0.10000000'],
      ['45280.3', '1.54592586'],
      ['45279.0', '0.07990000'],
      ['45277.6', '0.03310103'],
      ['45277.5', '0.30000000'],
      ['45277.3', '1.54602737'],
      ['45276.6', '0.15445238'],
    )
    expect(bookChecksum(asks, bids)).toBe(3310070434)
    expect(bookChecksum([...asks, ...levels(['45300.0', '9.00000000'])], bids)).toBe(3310070434)
  })

  // Worked out by hand: the text that is summed, and its CRC-32 (that of "123456789" is the standard's check value).
  test.each([
    [[], [], 0], // ''
    [levels(['12.3', '0.45']), levels(['6.7', '0.089']), 0xcbf43926], // '123' '45' '67' '89'
    [levels(['0.01', '0.000002']), [], 0x4f5344cd], // '1' '2': leading zeros are left out, also behind the dot
    [[], levels(['1.2', '0.0']), 0x4f5344cd], // '12' '': a zero leaves nothing
  ])('case %#', (asks, bids, expected) => {
    expect(bookChecksum(asks, bids)).toBe(expected)
  })
})

/** A book with one ask and one bid at seq 7. */
function bookAtSeven(): OrderBook {
  const book = new OrderBook(symbol)
  const [asks, bids] = [levels(['101.00', '1.0']), levels(['99.00', '2.0'])]
  const checksum = bookChecksum(asks, bids)
  expect(book.apply({ channel: 'orderbook', type: 'snapshot', symbol, seq: 7, bids, asks, checksum, timestamp })).toBe(
    'applied',
  )
  return book
}

const update = (prev_seq: number, seq: number, changes: BookChange[], checksum: number) =>
  ({ channel: 'orderbook', type: 'update', symbol, prev_seq, seq, changes, checksum, timestamp }) as const

describe('OrderBook', () => {
  it('sets, replaces and removes levels, best first', () => {
    const book = bookAtSeven()
    const changes: BookChange[] = [
      { side: 'ask', price: '100.50', quantity: '3.0' },
      { side: 'ask', price: '101.00', quantity: '0.0' },
      { side: 'bid', price: '99.00', quantity: '1.5' },
      { side: 'bid', price: '98.00', quantity: '4.0' },
      { side: 'bid', price: '9.00', quantity: '4.0' },
    ]
    const asks = levels(['100.50', '3.0'])
    const bids = levels(['99.00', '1.5'], ['98.00', '4.0'], ['9.00', '4.0'])
    expect(book.apply(update(7, 9, changes, bookChecksum(asks, bids)))).toBe('applied')
    expect({ seq: book.seq, asks: book.asks, bids: book.bids }).toEqual({ seq: 9, asks, bids })
    expect(book.bestAsk).toEqual({ price: '100.50', quantity: '3.0' })
    expect(book.bestBid).toEqual({ price: '99.00', quantity: '1.5' })
  })

  it('notices a gap, then takes nothing but a snapshot', () => {
    const book = bookAtSeven()
    expect(book.apply(update(8, 9, [], book.checksum))).toBe('gap')
    expect(book.synced).toBe(false)
    expect(book.apply(update(7, 8, [], book.checksum))).toBe('ignored')
  })

  it('notices a wrong checksum', () => {
    const book = bookAtSeven()
    expect(book.apply(update(7, 8, [{ side: 'bid', price: '99.00', quantity: '1.0' }], 1))).toBe('bad_checksum')
    expect(book.synced).toBe(false)
  })

  it('ignores what it has seen', () => {
    const book = bookAtSeven()
    expect(book.apply(update(6, 7, [{ side: 'bid', price: '99.00', quantity: '0.0' }], 1))).toBe('ignored')
    expect(book.bids).toEqual(levels(['99.00', '2.0']))
  })
})
