import { waitFor } from '@bitka/testkit'
import { type TestExchange, testExchange } from './exchange.ts'
import { recordOf, TOPIC } from './tape.ts'

let exchange: TestExchange
beforeAll(async () => {
  exchange = await testExchange()
})
afterAll(() => exchange.stop())

test('a record that cannot be read stops its partition, readiness says where, and what came before stays', async () => {
  const tape = await exchange.list('AAA-THB', Date.UTC(2026, 0, 7, 10, 0, 0))
  await exchange.play(tape.book(['bid', 1, 1]))
  const next = tape.book(['bid', 1, 2])
  const rubbish = { ...recordOf(next), value: Buffer.from('nonsense') }
  await exchange.platform.eventLog('matching').append(TOPIC, [rubbish, recordOf(next)])
  const stopped = await waitFor(async () => {
    const { ready, dependencies } = await exchange.service().health()
    return !ready && dependencies.find(({ ok }) => !ok)
  })
  // After the definition and the first book.
  expect(stopped).toMatchObject({
    name: 'consumer market-data.results',
    detail: expect.stringContaining(`${TOPIC}/0 stopped at 2`),
  })
  const { book } = await exchange.api.getOrderBook({ symbol: 'AAA-THB' })
  expect(book?.bids).toMatchObject([{ quantity: '0.001' }])
})
