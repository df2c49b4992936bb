import { MarketStatus, OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import { BookSide } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { Tape } from '../../test/tape.ts'
import { firstPosition, foldResults } from './results.ts'

const start = firstPosition('BTC-THB')
const timeMs = 1_000

describe('foldResults', () => {
  it('takes what the public may see', () => {
    const tape = new Tape('BTC-THB', timeMs)
    const messages = [tape.accepted(), tape.define(), tape.accepted(), tape.trade([[10, 5, 'buy']], ['ask', 10, 3])]
    const { market, ...delta } = foldResults(start, undefined, messages)
    expect(market).toMatchObject({ symbol: 'BTC-THB', status: MarketStatus.TRADING })
    expect(delta).toEqual({
      from: start,
      to: { symbol: 'BTC-THB', resultNumber: 5n, commandSeq: 4n, bookSeq: 1n, tradeNumber: 1n, timeMs },
      listedMs: timeMs,
      trades: [{ number: 1n, timeMs, ticks: 10, lots: 5, side: OrderSide.BUY }],
      updates: [{ seq: 1n, timeMs, changes: [{ side: BookSide.ASK, ticks: 10, lots: 3 }] }],
    })
  })

  it('passes over what it has seen, also within one message', () => {
    const tape = new Tape('BTC-THB', timeMs)
    const define = tape.define()
    const trade = tape.trade([[10, 5, 'buy']], ['ask', 10, 3])
    const once = foldResults(start, undefined, [define, trade])
    expect(foldResults(start, undefined, [define, define, trade, trade])).toEqual(once)
    const half = { ...once.to, resultNumber: 2n, bookSeq: 0n }
    expect(foldResults(half, once.market, [trade])).toMatchObject({ to: once.to, trades: [], updates: once.updates })
  })

  it('takes over a change of status, and keeps the rest', () => {
    const tape = new Tape('BTC-THB', timeMs)
    const { to, market } = foldResults(start, undefined, [tape.define()])
    const delta = foldResults(to, market, [tape.status(MarketStatus.HALTED)])
    expect(delta.market).toEqual({ ...market, status: MarketStatus.HALTED })
    expect(delta.listedMs).toBeUndefined()
  })

  it('never lets time go back', () => {
    const tape = new Tape('BTC-THB', timeMs)
    const messages = [tape.define(), tape.at(500).trade([[10, 5, 'sell']])]
    expect(foldResults(start, undefined, messages).trades[0]?.timeMs).toBe(timeMs)
  })

  it.each<[string, (tape: Tape) => Parameters<typeof foldResults>[2]]>([
    ['results of BTC-THB jump from 0 to 2', (tape) => [tape.tear().define()]],
    ['results of BTC-THB jump from 1 to 3', (tape) => [tape.define(), tape.tear().accepted()]],
    ['a trade of BTC-THB, which is not defined', (tape) => [tape.trade([[1, 1, 'buy']])]],
    ['a book of BTC-THB, which is not defined', (tape) => [tape.book(['bid', 1, 1])]],
    [
      'book change 2 follows 0',
      (tape) => {
        tape.bookSeq = 1n
        return [tape.define(), tape.book(['bid', 1, 1])]
      },
    ],
    ['a price is out of range', (tape) => [tape.define(), tape.trade([[2 ** 53, 1, 'buy']])]],
  ])('stops: %s', (message, messages) => {
    expect(() => foldResults(start, undefined, messages(new Tape('BTC-THB', timeMs)))).toThrow(message)
  })
})
