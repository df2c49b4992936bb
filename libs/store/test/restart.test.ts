import { join } from 'node:path'
import { startPostgres } from '@bitka/embedded-pg'
import { silentLogger as log } from '@bitka/kernel'
import { tempDir, waitFor } from '@bitka/testkit'
import { openDb } from '../src/index.ts'

it('is unavailable while PostgreSQL is down and works again by itself', async () => {
  const dataDir = join(await tempDir(), 'pg')
  const first = await startPostgres({ dataDir, log })
  const db = openDb({ url: first.adminUrl, schema: 'public', poolSize: 3 })
  await db.query('create table t (id int)')
  let killed: () => void = () => undefined
  const afterKill = new Promise<void>((resolve) => {
    killed = resolve
  })
  // Checked out and idle when the server dies: an error event without a listener would end the process.
  const caught = db.transaction(async (tx) => {
    await tx.query('insert into t values (1)')
    await afterKill
    await tx.query('insert into t values (2)')
  })
  const settled = caught.catch((error: unknown) => error)
  await waitFor(
    async () => (await db.query(`select 1 from pg_stat_activity where state = 'idle in transaction'`)).rowCount,
  )
  await Promise.all([db.query('insert into t values (3)'), db.query('insert into t values (4)')])
  await first.kill()
  await expect(db.query('select 1')).rejects.toMatchObject({ kind: 'unavailable' })
  killed()
  expect(await settled).toMatchObject({ kind: 'unavailable' })

  const second = await startPostgres({ dataDir, log })
  expect(second.port).toBe(first.port)
  const ids = await waitFor(() => db.query<{ id: number }>('select id from t order by id'))
  expect(ids.rows.map(({ id }) => id)).toEqual([3, 4])
  await db.close()
  await second.stop()
})
