import type { Db } from '@bitka/store'
import { storePermissionSuite } from '@bitka/testkit'
import { type TestExchange, testExchange } from './exchange.ts'

let exchange: TestExchange
let db: Db

beforeAll(async () => {
  exchange = await testExchange()
  db = exchange.platform.db('market-data')
})
afterAll(() => exchange.stop())

storePermissionSuite({
  service: 'market-data',
  appDb: () => db,
  ownerTables: { insertOnly: ['ticks', 'book_updates', 'book_snapshots'] },
  foreignSchemas: ['matching', 'ledger'],
})
