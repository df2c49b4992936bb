import { Desk, endings, fills } from './text.ts'

/** A case: the book, the incoming order, its fills, what ended, and the book afterwards. */
type Case = [book: string, incoming: string, fills: string, endings: string, after: string]

function play(book: string, incoming: string) {
  const desk = new Desk().rest(book)
  const outcome = desk.order(incoming)
  return { fills: fills(outcome), endings: endings(outcome), after: desk.book }
}

const book = 'bid 99 x 4, ask 101 x 3, ask 102 x 5'

describe('limit orders', () => {
  it.each<Case>([
    [book, 'sell 1 @ 105 gtc', '', '', 'bid 99 x 4, ask 101 x 3, ask 102 x 5, ask 105 x 1'], // not marketable
    [book, 'buy 4 @ 102 gtc', '3 @ 101, 1 @ 102', 'o2 filled, in filled', 'bid 99 x 4, ask 102 x 4'], // best price first
    [book, 'buy 9 @ 101 gtc', '3 @ 101', 'o2 filled', 'bid 101 x 6, bid 99 x 4, ask 102 x 5'], // the remainder rests
    [book, 'buy 9 @ 101 ioc', '3 @ 101', 'o2 filled, in ioc 6 left', 'bid 99 x 4, ask 102 x 5'], // the remainder is dropped
    [book, 'buy 9 @ 100 ioc', '', 'in ioc 9 left', book], // nothing to take
    [book, 'buy 9 @ 102 fok', '', 'in fok 9 left', book], // 8 on offer: all or nothing
    [book, 'buy 8 @ 102 fok', '3 @ 101, 5 @ 102', 'o2 filled, o3 filled, in filled', 'bid 99 x 4'], // 8 on offer: all
    [book, 'buy 4 @ 101 fok', '', 'in fok 4 left', book], // the price counts
    [book, 'buy 4 @ 101 post', '', 'in rejected post_only_would_take', book],
    [book, 'buy 4 @ 100 post', '', '', 'bid 100 x 4, bid 99 x 4, ask 101 x 3, ask 102 x 5'],
    [book, 'sell 2 @ 50 gtc', '2 @ 99', 'in filled', 'bid 99 x 2, ask 101 x 3, ask 102 x 5'], // no band: it gets the maker’s price
    ['ask 101 x 3, ask 101 x 3', 'buy 4 @ 101 gtc', '3 @ 101, 1 @ 101', 'o1 filled, in filled', 'ask 101 x 2'], // first come
    [book, 'buy 3 @ 101 ioc max 250', '2 @ 101', 'in price_band 1 left', 'bid 99 x 4, ask 101 x 1, ask 102 x 5'], // held too little
    [book, 'buy 3 @ 101 fok max 250', '', 'in fok 3 left', book], // and all or nothing
    [book, 'buy 3 @ 101 gtc max 302', '', 'in rejected invalid', book], // what rests must be held for whole
    [book, 'buy 3 @ 100 gtc by maker', '', '', 'bid 100 x 3, bid 99 x 4, ask 101 x 3, ask 102 x 5'], // own orders that do not meet
  ])('%s | %s', (before, incoming, expectedFills, expectedEndings, after) => {
    expect(play(before, incoming)).toEqual({ fills: expectedFills, endings: expectedEndings, after })
  })
})

describe('market orders', () => {
  const wide = 'bid 99 x 4, ask 101 x 3, ask 111 x 5, ask 112 x 5'
  it.each<Case>([
    [wide, 'buy 2 market', '2 @ 101', 'in filled', 'bid 99 x 4, ask 101 x 1, ask 111 x 5, ask 112 x 5'],
    [
      wide,
      'buy 10 market',
      '3 @ 101, 5 @ 111',
      'o2 filled, o3 filled, in price_band 2 left',
      'bid 99 x 4, ask 112 x 5',
    ], // 101 + 10 %
    [wide, 'sell 5 market', '4 @ 99', 'o1 filled, in no_liquidity 1 left', 'ask 101 x 3, ask 111 x 5, ask 112 x 5'],
    [wide, 'sell 5 market fok', '', 'in fok 5 left', wide],
    [wide, 'sell 4 market fok', '4 @ 99', 'o1 filled, in filled', 'ask 101 x 3, ask 111 x 5, ask 112 x 5'],
    ['', 'buy 1 market', '', 'in rejected no_liquidity', ''], // no price to refer to
    ['bid 99 x 4', 'buy 1 market', '', 'in rejected no_liquidity', 'bid 99 x 4'], // the own side is no reference
    ['', 'buy 1 market max 0', '', 'in rejected no_liquidity', ''], // no price when it was placed, so nothing is held for it
    [wide, 'buy 1 market max 0', '', 'in rejected no_liquidity', wide], // also when there is one now
    [wide, 'buy 1 @ 101 ioc max 0', '', 'in rejected invalid', wide], // a limit order always has a price to be held by
    [
      wide,
      'buy 3 market max 299',
      '2 @ 101',
      'in price_band 1 left',
      'bid 99 x 4, ask 101 x 1, ask 111 x 5, ask 112 x 5',
    ],
    [wide, 'buy 3 market max 100', '', 'in price_band 3 left', wide], // not even one
    [wide, 'buy market spend max 300', '2 @ 101', 'in filled', 'bid 99 x 4, ask 101 x 1, ask 111 x 5, ask 112 x 5'], // 98 not spent
    [wide, 'buy market spend max 100', '', 'in price_band', wide],
    [
      wide,
      'buy market spend max 9999',
      '3 @ 101, 5 @ 111',
      'o2 filled, o3 filled, in price_band',
      'bid 99 x 4, ask 112 x 5',
    ],
    [wide, 'buy market spend max 300 fok', '2 @ 101', 'in filled', 'bid 99 x 4, ask 101 x 1, ask 111 x 5, ask 112 x 5'],
    [wide, 'buy market spend max 9999 fok', '', 'in fok', wide], // cannot spend it all
    [wide, 'sell market', '', 'in rejected invalid', wide], // only a buy can be by amount
  ])('%s | %s', (before, incoming, expectedFills, expectedEndings, after) => {
    expect(play(before, incoming)).toEqual({ fills: expectedFills, endings: expectedEndings, after })
  })

  it('takes the last trade as reference, else the best opposite price', () => {
    const desk = new Desk().rest('ask 100 x 1, ask 200 x 5')
    desk.order('buy 1 @ 100 gtc', 'first')
    // The band around 100 ends at 110.
    expect(endings(desk.order('buy 1 market', 'second'))).toBe('second price_band 1 left')
    desk.order('buy 1 @ 200 gtc', 'third')
    expect(fills(desk.order('buy 1 market', 'fourth'))).toBe('1 @ 200')
  })
})

describe('self-trade prevention', () => {
  const mixed = 'ask 101 x 2 by bob, ask 101 x 3 by taker, ask 102 x 5 by bob'
  it.each<Case>([
    [mixed, 'buy 9 @ 101 stp cancel_newest', '2 @ 101', 'o1 filled, in self_trade 7 left', 'ask 101 x 3, ask 102 x 5'],
    [
      mixed,
      'buy 9 @ 102 stp cancel_oldest',
      '2 @ 101, 5 @ 102',
      'o1 filled, o2 self_trade 3 left, o3 filled',
      'bid 102 x 2',
    ],
    [
      mixed,
      'buy 9 @ 102 stp cancel_both',
      '2 @ 101',
      'o1 filled, o2 self_trade 3 left, in self_trade 7 left',
      'ask 102 x 5',
    ],
    [
      mixed,
      'buy 9 @ 101 stp decrement_and_cancel',
      '2 @ 101',
      'o1 filled, o2 self_trade 3 left, in reduced to 4',
      'bid 101 x 4, ask 102 x 5',
    ],
    [
      mixed,
      'buy 4 @ 101 stp decrement_and_cancel',
      '2 @ 101',
      'o1 filled, o2 reduced to 1, in self_trade 2 left',
      'ask 101 x 1, ask 102 x 5',
    ],
    [
      mixed,
      'buy 5 @ 101 stp decrement_and_cancel',
      '2 @ 101',
      'o1 filled, o2 self_trade 3 left, in self_trade 3 left',
      'ask 102 x 5',
    ],
    // Fill or kill counts only what it may trade.
    [mixed, 'buy 3 @ 102 fok stp cancel_newest', '', 'in fok 3 left', 'ask 101 x 5, ask 102 x 5'],
    [mixed, 'buy 3 @ 102 fok stp decrement_and_cancel', '', 'in fok 3 left', 'ask 101 x 5, ask 102 x 5'],
    [
      mixed,
      'buy 3 @ 102 fok stp cancel_oldest',
      '2 @ 101, 1 @ 102',
      'o1 filled, o2 self_trade 3 left, in filled',
      'ask 102 x 4',
    ],
    [mixed, 'buy 8 @ 102 fok stp cancel_oldest', '', 'in fok 8 left', 'ask 101 x 5, ask 102 x 5'],
    [mixed, 'buy 2 @ 102 fok stp cancel_both', '2 @ 101', 'o1 filled, in filled', 'ask 101 x 3, ask 102 x 5'],
    // An order by amount has no quantity to take from.
    [
      mixed,
      'buy market spend stp decrement_and_cancel',
      '2 @ 101',
      'o1 filled, in self_trade',
      'ask 101 x 3, ask 102 x 5',
    ],
    // No money for a trade, so no self-trade to prevent.
    [
      mixed,
      'buy 3 market max 202 stp cancel_oldest',
      '2 @ 101',
      'o1 filled, in price_band 1 left',
      'ask 101 x 3, ask 102 x 5',
    ],
  ])('%s | %s', (before, incoming, expectedFills, expectedEndings, after) => {
    expect(play(before, incoming)).toEqual({ fills: expectedFills, endings: expectedEndings, after })
  })
})

describe('time', () => {
  it.each([
    ['buy 1 @ 101 ioc until 1000', '1 @ 101', 'o1 filled, in filled'], // its last moment
    ['buy 1 @ 101 ioc until 999', '', 'in rejected expired'],
    ['buy 1 market until 999', '', 'in rejected expired'],
  ])('at 1000: %s', (incoming, expectedFills, expectedEndings) => {
    const outcome = new Desk().rest('ask 101 x 1').order(incoming)
    expect({ fills: fills(outcome), endings: endings(outcome) }).toEqual({
      fills: expectedFills,
      endings: expectedEndings,
    })
  })

  it('never goes back', () => {
    const desk = new Desk()
    desk.timeMs = 5_000
    desk.order('bid 99 x 1', 'first')
    desk.timeMs = 2_000
    const outcome = desk.order('buy 1 @ 99 ioc until 4000', 'late')
    expect(outcome.timeMs).toBe(5_000)
    expect(endings(outcome)).toBe('late rejected expired')
  })
})

describe('cancels', () => {
  it('closes an order once, with what is left of it', () => {
    const desk = new Desk().rest('bid 99 x 4')
    desk.order('sell 1 @ 99 gtc', 'hit')
    expect(endings(desk.send({ kind: 'cancel_order', orderId: 'o1', reason: 'user' }))).toBe('o1 user 3 left')
    expect(endings(desk.send({ kind: 'cancel_order', orderId: 'o1', reason: 'user' }))).toBe('o1 unknown_order')
    expect(desk.book).toBe('')
  })

  it('closes all orders of one user, oldest first', () => {
    const desk = new Desk().rest('bid 97 x 1 by bob, ask 103 x 2 by eve, ask 101 x 3 by bob')
    const outcome = desk.send({ kind: 'cancel_all', userId: 'bob', reason: 'dead_man' })
    expect(endings(outcome)).toBe('o1 dead_man 1 left, o3 dead_man 3 left')
    expect(outcome.results.at(-2)).toMatchObject({ kind: 'all_cancelled', userId: 'bob', orders: 2 })
    expect(desk.book).toBe('ask 103 x 2')
  })

  it('answers a cancel-all of a user without orders', () => {
    const { results } = new Desk().send({ kind: 'cancel_all', userId: 'bob', reason: 'user' })
    expect(results).toMatchObject([{ kind: 'all_cancelled', orders: 0 }])
  })
})

describe('market status', () => {
  it.each(['pre_open', 'cancel_only', 'halted'] as const)('%s takes cancels only', (status) => {
    const desk = new Desk().rest('bid 99 x 4')
    desk.send({ kind: 'set_status', status })
    expect(endings(desk.order('ask 101 x 1'))).toBe('in rejected market_halted')
    expect(desk.book).toBe('bid 99 x 4')
    expect(endings(desk.send({ kind: 'cancel_order', orderId: 'o1', reason: 'user' }))).toBe('o1 user 4 left')
  })

  it('delisted closes every order', () => {
    const desk = new Desk().rest(book)
    const outcome = desk.send({ kind: 'set_status', status: 'delisted' })
    expect(endings(outcome)).toBe('o1 market_closed 4 left, o2 market_closed 3 left, o3 market_closed 5 left')
    expect(desk.engine.openOrderCount).toBe(0)
  })

  it('a definition never changes the measure of a market that has had an order', () => {
    const desk = new Desk()
    const define = (changes: object) =>
      desk.send({ kind: 'define_market', market: { ...desk.engine.definition!, ...changes } }).results[0]?.kind
    expect(define({ tickSize: '0.5' })).toBe('market_defined')
    desk.rest('bid 99 x 1 max 99')
    expect(define({ tickSize: '0.25' })).toBe('definition_rejected')
    expect(define({ tickSize: '0.50', priceBandBps: 50 })).toBe('market_defined')
    expect(define({ lotSize: '0.1' })).toBe('definition_rejected') // no whole number of minor units
    expect(define({ status: 'delisted' })).toBe('market_defined')
    expect(desk.book).toBe('')
  })
})

it('leaves an open order alone when a record about it does not decode, or names it again', () => {
  const desk = new Desk().rest('bid 99 x 4')
  expect(endings(desk.send({ kind: 'reject', orderId: 'o1', userId: '' }))).toBe('o1 order_open')
  expect(endings(desk.order('sell 4 @ 99', 'o1'))).toBe('o1 order_open')
  expect(endings(desk.send({ kind: 'reject', orderId: 'new', userId: '' }))).toBe('new rejected invalid')
  expect(desk.book).toBe('bid 99 x 4')
})
