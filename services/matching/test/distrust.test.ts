import type { EventLog } from '@bitka/events'
import { DomainError } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { Trader } from './command-records.ts'
import { type Exchange, hashOf, startExchange } from './exchange.ts'

let exchange: Exchange
beforeEach(async () => {
  exchange = await startExchange()
})
afterEach(() => exchange.stop())

it('does not believe a snapshot whose hash is another, however well it reads', async () => {
  const first = exchange.run()
  const trader = new Trader('AAA-BBB').order('bid 99 x 4 by bob').order('ask 101 x 3 by eve')
  await exchange.send(trader)
  await exchange.settled(trader)
  await first.stop()
  const { rowCount } = await exchange.admin.query(
    `update matching.snapshots set state = overlay(state placing 'eve'::bytea from position('bob'::bytea in state))`,
  )
  expect(rowCount).toBe(1)
  expect(await hashOf(exchange.run(), 'AAA-BBB')).toBe(trader.engine().stateHash())
})

it('shows no book while nobody knows whether its results are in the log', async () => {
  const real = exchange.platform.eventLog('matching')
  let isAway = false
  const log: EventLog = Object.create(real, {
    append: {
      value: (...args: Parameters<EventLog['append']>) =>
        isAway ? Promise.reject(new DomainError('unavailable', 'The log is away.')) : real.append(...args),
    },
  })
  const runner = exchange.run({ log })
  const trader = new Trader('AAA-BBB').orders(3)
  await exchange.send(trader)
  await exchange.settled(trader)
  isAway = true
  await exchange.send(trader.order('bid 1 x 1 by bob', 'unseen'))
  await waitFor(() => !runner.owned().has(0))
  expect(() => runner.market('AAA-BBB')).toThrow(DomainError)
  isAway = false
  await exchange.settled(trader)
  expect(await hashOf(runner, 'AAA-BBB')).toBe(trader.engine().stateHash())
})
