import { waitFor } from '@bitka/testkit'
import type { Runner } from '../src/runner/runner.ts'
import { Trader, toRecord } from './command-records.ts'
import { type Exchange, startExchange, stopOf } from './exchange.ts'

let exchange: Exchange
let runner: Runner
beforeEach(async () => {
  exchange = await startExchange()
  runner = exchange.run()
})
afterEach(() => exchange.stop())

const unreadable = Uint8Array.of(0xff, 0xff)

it('keeps markets of one partition and of several apart', async () => {
  const traders = [new Trader('A-X', 0), new Trader('B-X', 0), new Trader('C-X', 1), new Trader('D-X', 3)]
  for (let round = 0; round < 3; round += 1) {
    for (const trader of traders) trader.orders(7)
    await exchange.send(...traders)
  }
  await exchange.settled(...traders)
  expect(await exchange.results(2)).toEqual([])
  expect(runner.markets().map(({ market, partition }) => `${market.symbol} ${partition}`)).toEqual([
    'A-X 0',
    'B-X 0',
    'C-X 1',
    'D-X 3',
  ])
})

it('ignores commands that it has applied', async () => {
  const trader = new Trader('AAA-BBB').orders(5)
  const records = trader.take()
  await exchange.append(0, [...records.slice(0, 3), ...records.slice(0, 2), ...records.slice(1)])
  await exchange.append(0, records)
  await exchange.send(trader.orders(1))
  await exchange.settled(trader)
})

it('stops the market at a gap, also after a restart, and no other market', async () => {
  const [trader, other] = [new Trader('AAA-BBB').orders(5), new Trader('CCC-DDD').orders(2)]
  const records = trader.take()
  await exchange.append(0, [...records.slice(0, 3), ...records.slice(4)])
  await exchange.send(other)
  await exchange.settled(other)
  expect(await stopOf(runner, 'AAA-BBB')).toBe('command 5 follows 3')
  expect((await exchange.results()).length).toBe(3 + 3)
  await runner.stop()
  const next = exchange.run()
  expect(await stopOf(next, 'AAA-BBB')).toBe('command 5 follows 3')
  await exchange.send(other.orders(1))
  await exchange.settled(other)
  expect((await exchange.results()).length).toBe(3 + 4)
})

it('rejects the order that a record which cannot be read names in its headers', async () => {
  const trader = new Trader('AAA-BBB').order('buy 2 @ 100 gtc', 'rests')
  trader.say({ kind: 'reject', orderId: 'lost', userId: '' })
  // A cancel that cannot be read leaves its order as it is.
  trader.say({ kind: 'reject', orderId: 'rests', userId: '' })
  trader.order('sell 2 @ 100 gtc by bob')
  await exchange.send(trader)
  await exchange.settled(trader)
})

it('rejects an order with a word or a number that the engine does not know', async () => {
  const trader = new Trader('AAA-BBB')
  await exchange.send(trader)
  const seqs = [2, 3, 4]
  const broken = [{ side: 'neither' }, { quantityLots: 2 ** 60 }, { maxQuote: -5n }]
  const order = { ...new Trader('x').order('buy 1 @ 1 gtc').commands[1]!, timeMs: 1_001 }
  const records = broken.map((fields, at) =>
    toRecord('AAA-BBB', { ...order, ...fields, seq: seqs[at]!, orderId: `o${at}` } as never),
  )
  await exchange.append(0, records)
  for (const at of seqs.keys()) trader.say({ kind: 'reject', orderId: `o${at}`, userId: '' })
  trader.take()
  await waitFor(async () => (await exchange.results()).length === 4)
  const engine = runner.market('AAA-BBB').market.engine
  expect([engine.lastSeq, engine.openOrderCount]).toEqual([4, 0])
})

it.each([
  ['no headers', {}],
  ['no order', { symbol: 'AAA-BBB', command_seq: '3' }],
  ['no market', { order_id: 'o1', command_seq: '3' }],
  ['no number', { symbol: 'AAA-BBB', order_id: 'o1', command_seq: 'three' }],
])('stops the partition at a record that cannot be read and has %s', async (_, headers) => {
  const [trader, elsewhere] = [new Trader('AAA-BBB').orders(1), new Trader('CCC-DDD', 1)]
  await exchange.append(0, [...trader.take(), { key: 'AAA-BBB', headers, value: unreadable }])
  await exchange.settled(trader)
  await exchange.append(0, [toRecord('AAA-BBB', { kind: 'set_status', seq: 3, timeMs: 1, status: 'halted' })])
  const board = await waitFor(() => runner.owned().get(0)?.board)
  await waitFor(() => board.stoppedReason !== '')
  expect(board.stoppedReason).toMatch(/^the record at 0\/2 cannot be read .* names no order$/)
  await exchange.send(elsewhere)
  await exchange.settled(trader, elsewhere)
})
