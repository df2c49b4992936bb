import { silentLogger } from '@bitka/kernel'
import { repositoryFolder } from '@bitka/service'
import { breaks, type Db, migrate, openDb } from '@bitka/store'
import { storePermissionSuite, type TestDatabase, testDatabase } from '@bitka/testkit'

describe('the ledger’s tables', () => {
  let database: TestDatabase
  let app: Db
  beforeAll(async () => {
    database = await testDatabase({ services: ['ledger', 'order'] })
    const { ownerUrl, appUrl, appRole } = database.of('ledger')
    await migrate({
      ownerUrl,
      schema: 'ledger',
      folder: repositoryFolder('services/ledger/migrations'),
      appRole,
      log: silentLogger,
    })
    app = openDb({ url: appUrl, schema: 'ledger', poolSize: 1 })
  })
  afterAll(async () => {
    await app.close()
    await database.drop()
  })

  storePermissionSuite({
    service: 'ledger',
    appDb: () => app,
    ownerTables: { insertOnly: ['transactions', 'postings', 'holds', 'hold_changes'] },
    foreignSchemas: ['order'],
  })

  describe('do not take', () => {
    const id = (n: number) => `00000000-0000-7000-8000-00000000000${n}`
    const insertPostings = (...amounts: number[]) => {
      const rows = amounts.map(
        (amount, i) => `('${id(i + 1)}', '${id(9)}', '${id(i + 1)}', 1, 'transfer', ${amount}, 0, now())`,
      )
      return app.query(
        `insert into postings (id, tx_id, account_id, number, kind, amount, balance_after, created_at) values ${rows.join(', ')}`,
      )
    }
    const broken = async (run: Promise<unknown>, constraint: string) => {
      const error: unknown = await run.then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect([constraint, breaks(error, constraint)]).toEqual([constraint, true])
    }
    beforeAll(async () => {
      await app.query(`insert into assets values ('THB', 'Baht', 'FIAT', 2, null, true, now())`)
      await app.query(
        `insert into accounts (id, owner_kind, owner_id, asset, created_at) values
           ('${id(1)}', 'user', 'a', 'THB', now()), ('${id(2)}', 'user', 'b', 'THB', now()), ('${id(3)}', 'system', 'rounding', 'THB', now())`,
      )
    })

    it('postings that do not sum to zero, or that have no account', async () => {
      await broken(insertPostings(5, -4), 'postings_sum_to_zero')
      await broken(insertPostings(5, -3, -1, -1), 'postings_sum_to_zero')
      await insertPostings(5, -5)
    })

    it('balances below zero, but for the account that stands for the world outside', async () => {
      for (const n of [1, 3]) {
        for (const column of ['available', 'locked']) {
          await broken(app.query(`update accounts set ${column} = -1 where id = '${id(n)}'`), 'accounts_never_negative')
        }
      }
    })

    it('a second account of one owner in one asset, a second reversal, a second settlement of one result', async () => {
      await broken(
        app.query(
          `insert into accounts (id, owner_kind, owner_id, asset, created_at) values ('${id(4)}', 'user', 'a', 'THB', now())`,
        ),
        'accounts_owner_key',
      )
      const insert = (n: number, columns: string, values: string) =>
        app.query(
          `insert into transactions (id, kind, created_at, author, ${columns}) values ('${id(n)}', 'trade', now(), 'x', ${values})`,
        )
      await insert(1, 'reverses_tx_id', `'${id(9)}'`)
      await broken(insert(2, 'reverses_tx_id', `'${id(9)}'`), 'transactions_reverses_tx_id_key')
      await insert(3, 'symbol, result_number', `'BTC-THB', 1`)
      await broken(insert(4, 'symbol, result_number', `'BTC-THB', 1`), 'transactions_result_key')
    })
  })
})
