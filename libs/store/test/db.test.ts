import { DomainError } from '@bitka/kernel'
import { type TestDatabase, testDatabase, waitFor } from '@bitka/testkit'
import { sql } from 'drizzle-orm'
import { bigint, numeric, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { Registry } from 'prom-client'
import { breaks, type Db, openDb, rootCause, savepoint, type Tx } from '../src/index.ts'

const items = pgTable('items', {
  id: bigint({ mode: 'bigint' }).primaryKey(),
  name: text().notNull(),
  amount: numeric(),
  madeAt: timestamp('made_at', { withTimezone: true }),
})

let database: TestDatabase
let db: Db
/** The same, with little patience. */
let hasty: Db

const kindOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof DomainError ? error.kind : error),
  )

beforeAll(async () => {
  database = await testDatabase({ services: ['market-data'] })
  const { ownerUrl, appUrl, appRole, schema } = database.of('market-data')
  const owner = openDb({ url: ownerUrl, schema })
  await owner.query(`create table items (id int8 primary key, name text not null constraint items_name_key unique,
    amount numeric(38,0), made_at timestamptz, constraint items_amount_check check (amount >= 0))`)
  await owner.query(`grant select, insert, update, delete on items to ${appRole}`)
  await owner.close()
  db = openDb({ url: appUrl, schema, poolSize: 4 })
  hasty = openDb({ url: appUrl, schema, poolSize: 1, statementTimeoutMs: 400, lockTimeoutMs: 200 })
})
afterAll(async () => {
  await hasty.close()
  await db.close()
  await database.drop()
})
beforeEach(async () => {
  await db.query('delete from items')
})

const add = (tx: Pick<Db, 'query'>, id: bigint, name = `item ${id}`) =>
  tx.query('insert into items (id, name) values ($1, $2)', [id, name])
const ids = async () => (await db.query<{ id: bigint }>('select id from items order by id')).rows.map(({ id }) => id)

describe('types', () => {
  it('reads money exactly, int8 as bigint, times as Date, arrays alike', async () => {
    const { rows } =
      await db.query(`select 9007199254740993::int8 as big, 99999999999999999999999999999999999999::numeric as money,
      timestamptz '2026-01-02 03:04:05+00' as time, date '2026-01-02' as day, array[1::int8, null] as bigs,
      array[0.10::numeric] as moneys, count(*) as count from items`)
    expect(rows[0]).toEqual({
      big: 9007199254740993n,
      money: '99999999999999999999999999999999999999',
      time: new Date('2026-01-02T03:04:05Z'),
      day: '2026-01-02',
      bigs: [1n, null],
      moneys: ['0.10'],
      count: 0n,
    })
  })

  it('takes bigint, also in arrays', async () => {
    const { rows } = await db.query('select $1::int8 as one, $2::numeric[] as many', [2n ** 62n, [1n, 10n ** 37n]])
    expect(rows[0]).toEqual({ one: 2n ** 62n, many: ['1', (10n ** 37n).toString()] })
  })

  it('reads the same through drizzle', async () => {
    await db.orm.insert(items).values({ id: 5n, name: 'a', amount: '7', madeAt: new Date(0) })
    expect(await db.orm.select().from(items)).toEqual([{ id: 5n, name: 'a', amount: '7', madeAt: new Date(0) }])
    expect((await db.orm.execute(sql`select id from items`)).rows).toEqual([{ id: 5n }])
  })
})

describe('transactions', () => {
  it('commit what resolves and roll back what throws', async () => {
    expect(await db.transaction(async (tx) => (await add(tx, 1n)).rowCount)).toBe(1)
    await expect(
      db.transaction(async (tx) => {
        await add(tx, 2n)
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await ids()).toEqual([1n])
  })

  it('give drizzle the same connection', async () => {
    await expect(
      db.transaction(async (tx) => {
        await tx.orm.insert(items).values({ id: 1n, name: 'a' })
        expect(await tx.orm.select({ id: items.id }).from(items)).toEqual([{ id: 1n }])
        expect(await db.orm.select().from(items)).toEqual([])
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await ids()).toEqual([])
  })

  it('call afterCommit after the commit only, and live with one that throws', async () => {
    const seen: string[] = []
    await db.transaction(async (tx) => {
      await add(tx, 1n)
      tx.afterCommit(() => {
        throw new Error('mine alone')
      })
      tx.afterCommit(() => seen.push('committed'))
      expect(seen).toEqual([])
    })
    await db
      .transaction(async (tx) => {
        tx.afterCommit(() => seen.push('rolled back'))
        throw new Error('no')
      })
      .catch(() => undefined)
    expect(seen).toEqual(['committed'])
    expect(await ids()).toEqual([1n])
  })

  it('run queries that were made side by side one after the other', async () => {
    const results = await db.transaction((tx) => Promise.all([1n, 2n, 3n].map((id) => add(tx, id))))
    expect(results.map(({ rowCount }) => rowCount)).toEqual([1, 1, 1])
  })

  it('refuse to hide a failed statement', async () => {
    await expect(db.transaction((tx) => tx.query('select 1/0').catch(() => 'hidden'))).rejects.toThrow(
      'was rolled back',
    )
  })

  it('cannot be used after their end', async () => {
    let leaked: Tx | undefined
    await db.transaction(async (tx) => {
      leaked = tx
    })
    await expect(leaked!.query('select 1')).rejects.toThrow('has ended')
  })

  it('take isolation and read only', async () => {
    const modes = db.transaction(
      async (tx) =>
        (
          await tx.query(
            `select current_setting('transaction_isolation') as i, current_setting('transaction_read_only') as r`,
          )
        ).rows,
      { isolation: 'serializable', readOnly: true },
    )
    expect(await modes).toEqual([{ i: 'serializable', r: 'on' }])
  })

  it('undo one savepoint and go on', async () => {
    const seen: string[] = []
    await db.transaction(async (tx) => {
      await add(tx, 1n)
      const inner = savepoint(tx, async () => {
        tx.afterCommit(() => seen.push('undone'))
        await add(tx, 2n)
        await tx.query('select 1/0')
      })
      await expect(inner).rejects.toThrow('division by zero')
      await savepoint(tx, () => add(tx, 3n))
    })
    expect(await ids()).toEqual([1n, 3n])
    expect(seen).toEqual([])
  })
})

describe('errors', () => {
  it('tell a broken constraint by its name, also through drizzle', async () => {
    await add(db, 1n, 'a')
    const unique = await add(db, 2n, 'a').catch((error: unknown) => error)
    const drizzled = await db.orm
      .insert(items)
      .values({ id: 2n, name: 'a' })
      .catch((error: unknown) => error)
    const check = await db
      .query('insert into items (id, name, amount) values (3, $1, -1)', ['c'])
      .catch((error: unknown) => error)
    expect([unique, drizzled, check].map((error) => breaks(error, 'items_name_key'))).toEqual([true, true, false])
    expect(breaks(check, 'items_amount_check')).toBe(true)
    expect(breaks(new DomainError('conflict', 'x', {}, { cause: unique }), 'items_name_key')).toBe(true)
    expect(breaks(undefined, 'items_name_key')).toBe(false)
  })

  it('never show the parameters of a query', async () => {
    const insert = () => db.orm.insert(items).values({ id: 1n, name: 'secret-name' })
    await insert()
    const error = await insert().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).not.toContain('secret-name')
    expect(Object.keys(error as Error)).not.toContain('params')
  })

  it('are unavailable when a lock or a statement takes too long', async () => {
    await add(db, 1n)
    const update = (tx: Tx) => tx.query(`update items set name = 'x' where id = 1`)
    const blocked = db.transaction(async (tx) => {
      await update(tx)
      return kindOf(hasty.transaction(update))
    })
    expect(await blocked).toBe('unavailable')
    expect(await kindOf(hasty.query('select pg_sleep(60)'))).toBe('unavailable')
  })

  it('are unavailable when nobody listens', async () => {
    const nowhere = openDb({ url: 'postgres://a:b@127.0.0.1:1/c', schema: 'x' })
    expect(await kindOf(nowhere.query('select 1'))).toBe('unavailable')
    expect(await kindOf(nowhere.transaction(async () => undefined))).toBe('unavailable')
    expect(await kindOf(Promise.resolve(nowhere.orm.execute(sql`select 1`)))).toBe('unavailable')
    await nowhere.close()
  })

  it('keep the cause', async () => {
    const error = await hasty.query('select pg_sleep(60)').catch((caught: unknown) => caught)
    expect(rootCause(error)).toMatchObject({ code: '57014' })
  })

  it('end one transaction whose connection is lost, and the next one works', async () => {
    const admin = openDb({ url: database.adminUrl, schema: 'public' })
    const lost = db.transaction(async (tx) => {
      const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      await admin.query('select pg_terminate_backend($1)', [rows[0]?.pid])
      await waitFor(async () => {
        const { rowCount } = await admin.query('select 1 from pg_stat_activity where pid = $1', [rows[0]?.pid])
        return rowCount === 0
      })
      return tx.query('select 1')
    })
    expect(await kindOf(lost)).toBe('unavailable')
    expect(await db.transaction(async (tx) => (await tx.query('select 1 as one')).rows)).toEqual([{ one: 1 }])
    // Idle ones too: the pool drops them and connects anew.
    await admin.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [database.name],
    )
    await waitFor(() => db.query('select 1').then(() => true))
    await admin.close()
  })
})

it('shows its pool as metrics until it is closed', async () => {
  const registry = new Registry()
  const { appUrl, schema } = database.of('market-data')
  const observed = openDb({ url: appUrl, schema }, { registry })
  await observed.query('select 1')
  expect(await registry.metrics()).toContain('bitka_db_pool_connections{schema="market_data",state="idle"} 1')
  expect(await registry.metrics()).toContain('bitka_db_pool_waiting{schema="market_data"} 0')
  await observed.close()
  expect(await registry.metrics()).not.toContain('market_data')
})
