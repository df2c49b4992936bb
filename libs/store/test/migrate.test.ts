import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '@bitka/kernel'
import { storePermissionSuite, type TestDatabase, tempDir, testDatabase } from '@bitka/testkit'
import { bootstrapDatabase, type Db, databaseUrl, migrate, openDb } from '../src/index.ts'

let database: TestDatabase
let folder: string
let app: Db

const run = (service = 'ledger') => {
  const { ownerUrl, schema, appRole } = database.of(service)
  return migrate({ ownerUrl, schema, folder: join(folder, service), appRole, log: silentLogger })
}
const file = (name: string, sql: string, service = 'ledger') => writeFile(join(folder, service, name), sql)

const FIRST = `
create table postings (id int8 generated always as identity primary key, amount numeric(38,0) not null);
create function total() returns numeric language sql security definer set search_path from current
  as $$ select sum(amount) from postings $$;
revoke execute on function total() from public;
grant execute on function total() to :app_role;
grant select, insert on postings to :app_role;
select 'x'::text;`

beforeAll(async () => {
  database = await testDatabase({ services: ['ledger', 'order'] })
  folder = await tempDir()
  await mkdir(join(folder, 'ledger'))
  await mkdir(join(folder, 'order'))
  await file('0001_init.sql', FIRST)
  await file('0001_init.sql', 'create table orders (id int)', 'order')
  app = openDb({ url: database.of('ledger').appUrl, schema: 'ledger' })
})
afterAll(async () => {
  await app.close()
  await database.drop()
})

describe('migrate', () => {
  it('applies each file once, whoever else is at it', async () => {
    const counts = await Promise.all([run(), run(), run()])
    expect(counts.toSorted()).toEqual([0, 0, 1])
    expect(await run('order')).toBe(1)
    await app.query('insert into postings (amount) values (5), (6)')
    expect((await app.query('select total()')).rows).toEqual([{ total: '11' }])
  })

  it('applies a new file, and none of one that fails', async () => {
    await file('0002_bad.sql', 'create table half (id int); select 1/0;')
    await expect(run()).rejects.toThrow('0002_bad.sql failed: division by zero')
    await file('0002_bad.sql', 'create table half (id int);')
    expect(await run()).toBe(1)
    expect(await run()).toBe(0)
  })

  it('takes other line ends for the same file', async () => {
    await file('0001_init.sql', FIRST.replaceAll('\n', '\r\n'))
    expect(await run()).toBe(0)
    await file('0001_init.sql', FIRST)
  })

  it.each([
    [
      'an edited file',
      () => file('0001_init.sql', `${FIRST} -- edited`),
      () => file('0001_init.sql', FIRST),
      'was edited',
    ],
    [
      'a number used twice',
      () => file('0002_other.sql', ''),
      () => rm(join(folder, 'ledger/0002_other.sql')),
      'used twice',
    ],
    ['a name without a number', () => file('init.sql', ''), () => rm(join(folder, 'ledger/init.sql')), 'NNNN_name.sql'],
    [
      'a number below a landed one',
      () => file('0000_early.sql', ''),
      () => rm(join(folder, 'ledger/0000_early.sql')),
      'renumber',
    ],
    [
      'a landed file that is gone',
      () => rm(join(folder, 'ledger/0001_init.sql')),
      () => file('0001_init.sql', FIRST),
      'gone',
    ],
  ])('refuses %s', async (_, spoil, mend, message) => {
    await spoil()
    await expect(run()).rejects.toThrow(message)
    await mend()
    expect(await run()).toBe(0)
  })

  it('lets an older release start on a newer database', async () => {
    await rm(join(folder, 'ledger/0002_bad.sql'))
    expect(await run()).toBe(0)
  })
})

describe('bootstrapDatabase', () => {
  const spec = (appPassword: string) => ({ service: 'boot-test', ownerPassword: 'owner-password', appPassword })
  const login = async (password: string) => {
    const db = openDb({ url: databaseUrl(database.adminUrl, { user: 'boot_test_app', password }), schema: 'boot_test' })
    try {
      return (await db.query<{ role: string }>('select current_user::text as role')).rows[0]?.role
    } finally {
      await db.close()
    }
  }

  it('is idempotent, safe side by side, and sets a changed password', async () => {
    const boot = (password: string) => bootstrapDatabase({ adminUrl: database.adminUrl, services: [spec(password)] })
    await Promise.all([boot('first-password'), boot('first-password'), boot('first-password')])
    await boot('first-password')
    expect(await login('first-password')).toBe('boot_test_app')
    await boot('second-password')
    expect(await login('second-password')).toBe('boot_test_app')
    await expect(login('first-password')).rejects.toThrow('password authentication failed')
  })

  it('works for an admin who is no superuser', async () => {
    const admin = openDb({ url: database.adminUrl, schema: 'public' })
    const role = `plain_admin_${database.name}`
    await admin.query(`create role ${role} login createrole password 'plain-password'`)
    await admin.query(`alter database ${database.name} owner to ${role}`)
    await admin.query(`alter schema public owner to ${role}`)
    const service = `managed_${database.name}`
    const adminUrl = databaseUrl(database.adminUrl, { user: role, password: 'plain-password' })
    const services = [{ service, ownerPassword: 'owner-password', appPassword: 'app-password' }]
    await bootstrapDatabase({ adminUrl, services })
    await bootstrapDatabase({ adminUrl, services })
    const owner = openDb({
      url: databaseUrl(adminUrl, { user: `${service}_owner`, password: 'owner-password' }),
      schema: service,
    })
    await owner.query('create table t (id int)')
    await owner.close()
    await admin.query(`drop schema ${service} cascade; drop owned by ${service}_app, ${service}_owner;
      drop role ${service}_app, ${service}_owner; reassign owned by ${role} to postgres; drop owned by ${role}; drop role ${role}`)
    await admin.close()
  })
})

storePermissionSuite({
  service: 'ledger',
  appDb: () => app,
  ownerTables: { insertOnly: ['postings'] },
  foreignSchemas: ['order'],
})
