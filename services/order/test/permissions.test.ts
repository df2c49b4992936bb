import { silentLogger } from '@bitka/kernel'
import { serviceNames } from '@bitka/mesh'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { repositoryFolder } from '@bitka/service'
import { type Db, migrate, openDb } from '@bitka/store'
import { storePermissionSuite, type TestDatabase, testDatabase } from '@bitka/testkit'
import { orderPolicy } from '../src/policy.ts'

let database: TestDatabase
let db: Db
beforeAll(async () => {
  database = await testDatabase({ services: ['order', 'ledger'] })
  const folder = repositoryFolder('services/order/migrations')
  for (const service of ['order', 'ledger']) {
    const { ownerUrl, schema, appRole } = database.of(service)
    await migrate({ ownerUrl, schema, appRole, folder, log: silentLogger })
  }
  db = openDb({ url: database.of('order').appUrl, schema: 'order' })
})
afterAll(async () => {
  await db?.close()
  await database?.drop()
})

storePermissionSuite({
  service: 'order',
  appDb: () => db,
  ownerTables: { insertOnly: ['fills'] },
  foreignSchemas: ['ledger'],
})

it.each(['orders', 'markets', 'market_positions'])('may not delete from %s', async (table) => {
  await expect(db.query(`delete from ${table}`)).rejects.toMatchObject({ code: '42501' })
})

it('lets nobody but the gateway in, and only with a token', () => {
  expect(Object.keys(orderPolicy).sort()).toEqual(OrderService.methods.map(({ localName }) => localName).sort())
  expect(Object.values(orderPolicy).every(({ kind }) => kind === 'user')).toBe(true)
  expect(serviceNames).toContain('gateway')
})
