import { GapError, MarketEngine } from '../src/domain/engine.ts'
import { decodeState, encodeState } from '../src/domain/snapshot.ts'
import { replay } from './compare.ts'
import { generator, numbered, stepsFrom } from './random-commands.ts'
import { Desk, endings, plainMarket } from './text.ts'

/** Steps that open far more than they close, so that every column grows. */
function manyOrders(count: number) {
  const desk = new Desk({ priceBandBps: 10_000 })
  const draw = generator(1)
  for (let i = 0; i < count; i += 1) {
    const price = 1 + draw(50_000)
    const text = draw(2) === 0 ? `bid ${price} x ${1 + draw(9)}` : `ask ${price + 50_000} x ${1 + draw(9)}`
    desk.order(text, `order-${i}`, `user-${draw(700)}`)
  }
  return desk
}

describe('replay and restore', () => {
  it('has the same hash after every prefix of the log, from the start and from a snapshot', () => {
    const words = Uint32Array.from({ length: 120 }, (_, index) => index * 7_919)
    const commands = numbered(stepsFrom(words))
    const engine = new MarketEngine()
    for (const command of commands) {
      engine.apply(command)
      expect(replay(commands.slice(0, command.seq)).stateHash()).toBe(engine.stateHash())
      expect(MarketEngine.restore(engine.snapshot()).stateHash()).toBe(engine.stateHash())
    }
  })

  it('has a hash that is pinned, so that no machine and no change of code moves it unseen', () => {
    const desk = new Desk().rest('bid 99 x 4, ask 101 x 3, ask 102 x 5')
    desk.order('buy 4 @ 102 gtc fee 10/25')
    desk.order('sell 1 @ 99 gtc fee 10/25', 'second')
    expect(desk.engine.stateHash()).toBe('4436c51f9b11a85af0cd6daac2e14331502c385a076010c1250753945d0f436c')
  })

  it('stops at a gap and ignores what was applied', () => {
    const engine = new MarketEngine()
    engine.apply({ kind: 'define_market', seq: 1, timeMs: 1, market: plainMarket })
    const hash = engine.stateHash()
    expect(() => engine.apply({ kind: 'set_status', seq: 3, timeMs: 1, status: 'halted' })).toThrow(GapError)
    const outcome = engine.apply({ kind: 'set_status', seq: 1, timeMs: 9, status: 'halted' })
    expect(outcome).toMatchObject({ status: 'duplicate', results: [] })
    expect(engine.stateHash()).toBe(hash)
    expect(engine).toMatchObject({ lastSeq: 1, lastResultNumber: 1, bookSeq: 0, definition: plainMarket })
  })

  it('keeps a large book through growth and restore, and cancels all of it', () => {
    const { engine } = manyOrders(20_000)
    const restored = MarketEngine.restore(engine.snapshot())
    expect(restored.openOrderCount).toBe(20_000)
    expect(restored.stateHash()).toBe(engine.stateHash())
    expect(restored.getBook()).toEqual(engine.getBook())
    expect(restored.getOrder('order-19999')).toEqual(engine.getOrder('order-19999'))
    const draw = generator(2)
    const order = Array.from({ length: 20_000 }, (_, index) => index).sort(() => draw(3) - 1)
    let seq = engine.lastSeq
    for (const index of order) {
      seq += 1
      const cancel = { kind: 'cancel_order', seq, timeMs: 1, orderId: `order-${index}`, reason: 'user' } as const
      expect(restored.apply(cancel).results[0]?.kind).toBe('closed')
    }
    expect(restored.getBook()).toMatchObject({ bids: [], asks: [] })
    expect(restored.getOrder('order-1')).toBeUndefined()
  })

  it('remembers the order of a user’s orders, which is not that of the book', () => {
    const desk = new Desk().rest('bid 97 x 1 by bob, bid 99 x 1 by bob, bid 98 x 1 by bob')
    const { engine } = desk
    const restored = MarketEngine.restore(engine.snapshot())
    const all = { kind: 'cancel_all', seq: engine.lastSeq + 1, timeMs: 1, userId: 'bob', reason: 'user' } as const
    const outcome = restored.apply(all)
    expect(endings(outcome)).toBe('o1 user 1 left, o2 user 1 left, o3 user 1 left')
    expect(engine.apply(all)).toEqual(outcome)
  })

  it('refuses bytes that are no whole snapshot', () => {
    const bytes = manyOrders(3).engine.snapshot()
    expect(decodeState(bytes).orders).toHaveLength(3)
    expect(() => MarketEngine.restore(bytes.slice(0, -1))).toThrow(RangeError)
    expect(() => MarketEngine.restore(Uint8Array.from([...bytes, 0]))).toThrow('after its end')
    expect(() => MarketEngine.restore(bytes.slice(4))).toThrow(Error)
    const later = bytes.slice()
    new DataView(later.buffer).setFloat64(4 + 'bitka.matching.snapshot'.length, 2, true)
    expect(() => MarketEngine.restore(later)).toThrow('unknown version')
    expect(encodeState(decodeState(bytes))).toEqual(bytes)
  })

  it('shows no more levels than asked for', () => {
    const { engine } = manyOrders(50)
    const { bids, asks } = engine.getBook(3)
    expect([bids.length, asks.length]).toEqual([3, 3])
    expect(bids[0]?.ticks).toBeGreaterThan(bids[1]!.ticks)
    expect(engine.getOrder('order-0')).toMatchObject({ orderId: 'order-0', seq: 2, filledLots: 0 })
  })
})
