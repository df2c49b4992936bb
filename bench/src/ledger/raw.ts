import { newId } from '@bitka/kernel'
import pg from 'pg'

/** The same tables with the same columns, checks and indexes, without the ledger. */
const TABLES = ['accounts', 'transactions', 'postings', 'holds', 'hold_changes']
const ACCOUNTS = 1_000
export const RAW_BATCH = 100

type AccountRow = { id: string; available: string; locked: string; posting_count: string; version: string }
type Account = { id: string; available: number; locked: number; count: number; version: number }
type Hold = { id: string; accountId: string }

/**
 * What PostgreSQL itself can do with the ledger's tables: a loop of set-based statements, prepared, without RPC, TLS,
 * identity, idempotency, audit, events or anybody who could be refused. Accounts are locked in one sorted order.
 */
export class RawLedger {
  private readonly accounts: string[] = []
  private readonly held = new Map<pg.Client, Hold[]>()

  private constructor(
    readonly clients: readonly pg.Client[],
    private readonly random: { int(below: number): number },
  ) {}

  static async open(adminUrl: string, clients: number, random: { int(below: number): number }): Promise<RawLedger> {
    const connected = await Promise.all(
      Array.from({ length: clients }, async () => {
        const client = new pg.Client({ connectionString: adminUrl, options: '-c search_path=raw' })
        await client.connect()
        return client
      }),
    )
    const raw = new RawLedger(connected, random)
    const [first] = connected
    await first?.query('create schema raw')
    for (const table of TABLES) await first?.query(`create table raw.${table} (like ledger.${table} including all)`)
    for (let index = 0; index < ACCOUNTS; index += 1) raw.accounts.push(newId())
    await first?.query(
      `insert into accounts (id, owner_kind, owner_id, asset, available, created_at)
       select id, 'user', id::text, 'THB', 1000000000000, now() from unnest($1::uuid[]) as u (id)`,
      [raw.accounts],
    )
    return raw
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.end()))
  }

  /** A batch of transfers: a transaction and its two postings each, in one commit. */
  async transfers(client: pg.Client): Promise<number> {
    const pairs = Array.from({ length: RAW_BATCH }, () => {
      const from = this.random.int(ACCOUNTS)
      const to = (from + 1 + this.random.int(ACCOUNTS - 1)) % ACCOUNTS
      return [this.accounts[from] ?? '', this.accounts[to] ?? ''] as const
    })
    await client.query('begin')
    const accounts = await this.lock(client, pairs.flat())
    const ids: string[] = []
    const sides: (string | number)[][] = [[], [], [], [], [], []]
    for (const [from, to] of pairs) {
      const txId = newId()
      ids.push(txId)
      for (const [accountId, amount] of [
        [from, -1],
        [to, 1],
      ] as const) {
        const account = accounts.get(accountId) as Account
        account.available += amount
        account.count += 1
        account.version += 1
        const row = [newId(), txId, accountId, account.count, amount, account.available + account.locked]
        for (const [column, value] of row.entries()) sides[column]?.push(value)
      }
    }
    await client.query({
      name: 'raw_transactions',
      text: `insert into transactions (id, kind, author, created_at)
             select id, 'transfer', 'raw', now() from unnest($1::uuid[]) as t (id)`,
      values: [ids],
    })
    await client.query({
      name: 'raw_postings',
      text: `insert into postings (id, tx_id, account_id, number, kind, amount, balance_after, created_at)
             select id, tx_id, account_id, number, 'transfer', amount, balance_after, now()
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::numeric[], $6::numeric[])
               as p (id, tx_id, account_id, number, amount, balance_after)`,
      values: sides,
    })
    await this.update(client, accounts)
    await client.query('commit')
    return RAW_BATCH
  }

  /** A batch of holds, or the release of the batch before: what the ledger's Hold and Release write. */
  async holds(client: pg.Client): Promise<number> {
    const before = this.held.get(client)
    const batch =
      before ??
      Array.from({ length: RAW_BATCH }, () => ({
        id: newId(),
        accountId: this.accounts[this.random.int(ACCOUNTS)] ?? '',
      }))
    await client.query('begin')
    const accounts = await this.lock(
      client,
      batch.map(({ accountId }) => accountId),
    )
    const ids = batch.map(({ id }) => id)
    const owners = batch.map(({ accountId }) => accountId)
    const delta = before ? -1 : 1
    for (const accountId of owners) {
      const account = accounts.get(accountId) as Account
      account.available -= delta
      account.locked += delta
      account.version += 1
    }
    if (!before) {
      await client.query({
        name: 'raw_holds',
        text: `insert into holds (id, state, purpose, user_id, account_id, asset, receive_asset, symbol, amount, created_at)
               select id, 'placed', 'order', owner::text, owner, 'THB', 'BTC', 'BTC-THB', 1, now()
               from unnest($1::uuid[], $2::uuid[]) as h (id, owner)`,
        values: [ids, owners],
      })
    }
    await client.query({
      name: 'raw_hold_changes',
      text: `insert into hold_changes (hold_id, number, account_id, delta, remaining_after, cause, created_at)
             select id, $3, owner, $4, $5, $6, now() from unnest($1::uuid[], $2::uuid[]) as h (id, owner)`,
      values: [ids, owners, before ? 2 : 1, delta, before ? 0 : 1, before ? 'release' : 'hold'],
    })
    await this.update(client, accounts)
    await client.query('commit')
    if (before) this.held.delete(client)
    else this.held.set(client, batch)
    return RAW_BATCH
  }

  private async lock(client: pg.Client, ids: readonly string[]): Promise<Map<string, Account>> {
    const { rows } = await client.query<AccountRow>({
      name: 'raw_lock',
      text: `select id, available, locked, posting_count, version from accounts
             where id = any($1::uuid[]) order by id for no key update`,
      values: [[...new Set(ids)]],
    })
    return new Map(
      rows.map((row) => [
        row.id,
        {
          id: row.id,
          available: Number(row.available),
          locked: Number(row.locked),
          count: Number(row.posting_count),
          version: Number(row.version),
        },
      ]),
    )
  }

  private async update(client: pg.Client, accounts: ReadonlyMap<string, Account>): Promise<void> {
    const rows = [...accounts.values()]
    await client.query({
      name: 'raw_update',
      text: `update accounts a set available = u.available, locked = u.locked, posting_count = u.count, version = u.version
             from unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::bigint[], $5::bigint[])
               as u (id, available, locked, count, version)
             where a.id = u.id`,
      values: [
        rows.map(({ id }) => id),
        rows.map(({ available }) => available),
        rows.map(({ locked }) => locked),
        rows.map(({ count }) => count),
        rows.map(({ version }) => version),
      ],
    })
  }
}
