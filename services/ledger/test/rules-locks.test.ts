import { newId } from '@bitka/kernel'
import { type Db, openDb } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { Harness } from './harness.ts'

let h: Harness
// Only a superuser sees what others wait for.
let admin: Db
beforeAll(async () => {
  h = await Harness.open()
  admin = openDb({ url: h.platform.database.adminUrl, schema: 'ledger', poolSize: 2 })
})
afterAll(async () => {
  await admin?.close()
  await h?.close()
})

const waits = async () => {
  const { rows } = await admin.query(
    `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length > 0
}

it('locks accounts by rising id, whoever pays whom, so that no two batches wait in a circle', async () => {
  for (let round = 0; round < 8; round += 1) {
    const [ann, ben] = [await h.person(`ann-${newId()}`), await h.person(`ben-${newId()}`)]
    const ids = [await h.accountOf(ann, 'THB'), await h.accountOf(ben, 'THB')]
    const [payer, payee] = round % 2 ? [ann, ben] : [ben, ann]
    await h.credit(payer, 'THB', '1')
    const [lower, higher] = ids.sort()
    let moving: Promise<unknown> | undefined
    const free = await h.db.transaction(async (tx) => {
      await tx.query('select 1 from accounts where id = $1 for update', [lower])
      moving = h.transfer(payer, payee.username, await h.accountOf(payer, 'THB'), '1')
      await waitFor(waits, { what: 'the transfer to wait for the lower account' })
      // A batch that waits for the lower one does not have the higher one yet.
      return admin.query('select 1 from accounts where id = $1 for update skip locked', [higher])
    })
    expect(free.rowCount).toBe(1)
    await moving
  }
})
