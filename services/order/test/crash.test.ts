import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { waitFor } from '@bitka/testkit'
import { Harness, keyed, limitBuy, type Person, refusal } from './harness.ts'

let h: Harness
let alice: Person
let child: ChildProcess | undefined
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterEach(() => child?.kill('SIGKILL'))
afterAll(() => h?.close())
beforeEach(async () => {
  alice = await h.person()
})

/** The service in a process of its own, which dies at the crash point as at a power cut. */
async function startDoomed(crashPoint: string): Promise<void> {
  await h.stop()
  const main = join(repositoryFolder('services/order/src'), 'main.ts')
  const env = { ...h.env(), BITKA_CRASH_POINT: `order/${crashPoint}`, PATH: process.env.PATH }
  const args = ['--conditions=@bitka/source', '--import', 'tsx', main]
  const started = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  child = started
  let complaint = ''
  started.stderr.on('data', (text) => {
    complaint += String(text)
  })
  const up = () => refusal(h.client.listOrders({}, { ...alice.as, deadlineMs: 1_000 }))
  await waitFor(
    async () => {
      if (started.exitCode !== null) throw new Error(`the service did not start: ${complaint}`)
      return (await up()) === 'it was done'
    },
    { timeoutMs: 90_000, what: 'the service to start' },
  )
}

async function died(): Promise<void> {
  if (child && child.signalCode === null) await once(child, 'exit')
  expect(child?.signalCode).toBe('SIGKILL')
  await h.start()
}

const createsOf = (orderId: string) =>
  h.engine.of('BTC-THB', 'newOrder').filter(({ body }) => (body.value as { orderId: string }).orderId === orderId)

const create = (key: string) => h.client.createOrder(limitBuy, { ...keyed(alice, key), deadlineMs: 10_000 })

it.each(['order.create.pending', 'order.create.held', 'order.create.submitted', 'relay.after-append'])(
  'a create that dies at %s becomes one order, held once and sent once',
  async (crashPoint) => {
    await startDoomed(crashPoint)
    const first = await refusal(create('k'))
    // The relay may die after the answer has left, or before.
    if (crashPoint !== 'relay.after-append') expect(first).not.toBe('it was done')
    await died()
    h.clock.advance(6_000)
    const { orderId } = await create('k')
    await h.engine.commandOf(orderId)
    await h.engine.accept(orderId)
    await waitFor(async () => (await h.state(orderId)) === 'open')
    expect((await h.client.listOrders({}, alice.as)).items.map((order) => order.orderId)).toEqual([orderId])
    expect(createsOf(orderId)).toHaveLength(1)
    expect([...h.ledger.holds.values()].filter(({ userId }) => userId === alice.userId)).toHaveLength(1)
  },
)

it('a cancel that dies after its commit still reaches the engine, once', async () => {
  const orderId = await h.place(alice)
  await startDoomed('order.cancel.committed')
  expect(await refusal(h.client.cancelOrder({ orderId }, { ...alice.as, deadlineMs: 10_000 }))).not.toBe('it was done')
  await died()
  expect((await h.client.cancelOrder({ orderId }, alice.as)).status).toBe(2)
  await waitFor(() => h.engine.of('BTC-THB', 'cancelOrder').length > 0)
  // Whatever was sent twice would be in the log before the next order's command.
  await h.engine.commandOf((await h.client.createOrder(limitBuy, alice.as)).orderId)
  expect(h.engine.of('BTC-THB', 'cancelOrder')).toHaveLength(1)
})

it('results that were applied when it died are applied once', async () => {
  const { orderId } = await h.client.createOrder(limitBuy, alice.as)
  await h.engine.commandOf(orderId)
  await startDoomed('order.results.committed')
  await h.engine.accept(orderId)
  await died()
  await h.engine.say('BTC-THB', [{ case: 'orderClosed', value: { orderId, reason: 2 } }])
  await waitFor(async () => (await h.state(orderId)) === 'cancelled')
})
