import { CloseReason } from '@bitka/proto/bitka/events/v1/trading_pb'
import { waitFor } from '@bitka/testkit'
import { Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterAll(() => h?.close())

it('stops at a result that cannot be read, says so, and applies nothing after it', async () => {
  const orderId = await h.place(await h.person())
  const { partition } = await waitFor(() => h.engine.commands.at(-1))
  const value = Buffer.from('nonsense')
  await h.platform
    .eventLog('matching')
    .append('trading.matches.executed', [{ key: 'BTC-THB', headers: {}, value, partition }])
  await h.engine.say('BTC-THB', [{ case: 'orderClosed', value: { orderId, reason: CloseReason.USER } }])
  const stopped = await waitFor(async () => {
    const health = await h.service?.health()
    return health?.ready === false && health.dependencies.find(({ ok }) => !ok)
  })
  expect(stopped).toMatchObject({
    name: 'consumer order.results',
    detail: expect.stringContaining(`trading.matches.executed/${partition} stopped at`),
  })
  expect(await h.state(orderId)).toBe('open')
})
