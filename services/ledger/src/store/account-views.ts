import type { Page, Queryable, Tx } from '@bitka/store'
import { user } from '../domain/model.ts'
import { insertAccounts } from './accounts.ts'
import { prepared } from './sql.ts'

/** A user's account as people see it. */
export type AccountView = {
  id: string
  userId: string
  asset: string
  decimals: number
  available: bigint
  locked: bigint
  version: bigint
  createdAt: Date
}

type Row = {
  id: string
  owner_id: string
  asset: string
  decimals: number
  available: string
  locked: string
  version: bigint
  created_at: Date
}

const SELECT = `select a.id, a.owner_id, a.asset, s.decimals, a.available, a.locked, a.version, a.created_at
   from accounts a join assets s on s.symbol = a.asset where a.owner_kind = 'user'`

const byId = prepared<Row>('account_view', `${SELECT} and a.id = $1`)
const ofUser = prepared<Row>(
  'account_views',
  `${SELECT} and a.owner_id = $1 and ($2::text is null or a.asset = $2) order by a.asset limit $3 offset $4`,
)
const count = prepared<{ count: bigint }>(
  'count_accounts',
  `select count(*) from accounts where owner_kind = 'user' and owner_id = $1 and ($2::text is null or asset = $2)`,
)
const missing = prepared<{ symbol: string }>(
  'missing_accounts',
  `select symbol from assets s where is_active and not exists (
     select from accounts a where a.owner_kind = 'user' and a.owner_id = $1 and a.asset = s.symbol)`,
)

const toView = (row: Row): AccountView => ({
  id: row.id,
  userId: row.owner_id,
  asset: row.asset,
  decimals: row.decimals,
  available: BigInt(row.available),
  locked: BigInt(row.locked),
  version: row.version,
  createdAt: row.created_at,
})

/** A user's account; the exchange's own are not shown. */
export async function findAccount(db: Queryable, id: string): Promise<AccountView | undefined> {
  const [row] = await byId(db, [id])
  return row && toView(row)
}

/** A user's accounts, by asset. */
export async function pageOfAccounts(
  db: Queryable,
  userId: string,
  asset: string | undefined,
  { limit, offset }: Pick<Page, 'limit' | 'offset'>,
): Promise<AccountView[]> {
  return (await ofUser(db, [userId, asset ?? null, limit, offset])).map(toView)
}

export async function countAccounts(db: Queryable, userId: string, asset: string | undefined): Promise<bigint> {
  const [row] = await count(db, [userId, asset ?? null])
  return row?.count ?? 0n
}

/** The active assets in which the user has no account. */
export const missingAccounts = async (db: Queryable, userId: string): Promise<string[]> =>
  (await missing(db, [userId])).map(({ symbol }) => symbol)

/** Opens empty accounts. Repeating it changes nothing. */
export const openAccounts = (tx: Tx, userId: string, assets: readonly string[], now: Date): Promise<void> =>
  insertAccounts(
    tx,
    assets.map((asset) => ({ owner: user(userId), asset })),
    now,
  )
