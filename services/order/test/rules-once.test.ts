import { openDb } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { Harness, keyed, limitBuy, type Person, refusal } from './harness.ts'

let h: Harness
let alice: Person
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterAll(() => h?.close())
beforeEach(async () => {
  alice = await h.person()
})

/** Closes the ledger's door; answers what opens it. */
function shut(): () => void {
  let open = () => {}
  h.ledger.gate = new Promise((resolve) => {
    open = resolve
  })
  return open
}
const commandsOf = (orderId: string) =>
  h.engine.commands.filter(({ body }) => body.case === 'newOrder' && body.value.orderId === orderId)
const asked = (orderId: string) => h.ledger.calls.filter((ids) => ids.includes(orderId)).length

it('sends one command for an order that request, repeat and sweeper drive at the same time', async () => {
  const open = shut()
  const first = h.client.createOrder({ ...limitBuy, clientOrderId: 'once' }, keyed(alice, 'once'))
  const { orderId } = await waitFor(
    async () => (await h.client.listOrders({ clientOrderId: 'once' }, alice.as)).items[0],
  )
  const again = h.client.createOrder({ ...limitBuy, clientOrderId: 'once' }, keyed(alice, 'once'))
  h.clock.advance(6_000)
  await waitFor(() => asked(orderId) >= 3, { what: 'three to ask for its funds' })
  open()
  expect(await first).toMatchObject({ orderId, status: 2 })
  expect(await again).toMatchObject({ orderId, status: 2 })
  await waitFor(async () => (await h.state(orderId)) === 'submitted')
  // Whatever was sent twice would be in the log before the next order's command.
  const { orderId: next } = await h.client.createOrder(limitBuy, alice.as)
  await h.engine.commandOf(next)
  expect(commandsOf(orderId)).toHaveLength(1)
  expect(h.ledger.heldFor(orderId)).toBe(5_000_000n)
})

it('never sends an order that was ended while its funds were asked for, and gives them back', async () => {
  const open = shut()
  const key = keyed(alice, 'late')
  const placing = refusal(h.client.createOrder({ ...limitBuy, clientOrderId: 'late' }, key))
  const { orderId } = await waitFor(
    async () => (await h.client.listOrders({ clientOrderId: 'late' }, alice.as)).items[0],
  )
  // Too late for everybody: the sweeper ends it while the first hold is still under way.
  h.clock.advance(31_000)
  await waitFor(async () => (await h.state(orderId)) === 'dead')
  await waitFor(() => h.ledger.holds.get(orderId)?.released)
  open()
  expect(await placing).toBe('unavailable')
  const { orderId: next } = await h.client.createOrder(limitBuy, alice.as)
  await h.engine.commandOf(next)
  expect(commandsOf(orderId)).toHaveLength(0)
  expect(h.ledger.heldFor(orderId)).toBe(0n)
})

it('takes command numbers one transaction after another, whoever takes them', async () => {
  const row = async () =>
    (await h.db.query<{ next: bigint }>(`select next_command_seq as next from markets where symbol = 'BTC-THB'`))
      .rows[0]?.next ?? 0n
  // Only a superuser sees what others wait for.
  const admin = openDb({ url: h.platform.database.adminUrl, schema: 'order', poolSize: 1 })
  const waits = async () => {
    const { rows } = await admin.query(
      `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  }
  const before = await row()
  let placing: Promise<{ orderId: string }> | undefined
  // Another process is about to write a command of this market.
  await h.db.transaction(async (tx) => {
    await tx.query(`update markets set next_command_seq = next_command_seq + 1 where symbol = 'BTC-THB'`)
    placing = h.client.createOrder(limitBuy, alice.as)
    await waitFor(waits, { what: 'the order to wait for its number' })
  })
  const { orderId } = (await placing) ?? { orderId: '' }
  expect((await h.engine.commandOf(orderId)).commandSeq).toBe(before + 1n)
  expect(await row()).toBe(before + 2n)
  await admin.close()
})

it('sends commands into the partition that is stored with the market', async () => {
  await h.market({ symbol: 'ETH-THB', baseAsset: 'ETH' })
  await h.db.query(`update markets set partition = 3 where symbol = 'ETH-THB'`)
  const { orderId } = await h.client.createOrder({ ...limitBuy, symbol: 'ETH-THB' }, alice.as)
  await h.engine.commandOf(orderId)
  expect(commandsOf(orderId)).toMatchObject([{ partition: 3 }])
})
