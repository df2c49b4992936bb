import type { Page, Tx } from '@bitka/store'
import { preparedRead } from '@bitka/store'
import { and, asc, eq, notExists, type SQL, sql } from 'drizzle-orm'
import { QueryBuilder } from 'drizzle-orm/pg-core'
import { user } from '../domain/model.ts'
import { insertAccounts } from './accounts.ts'
import { accounts, assets, type Orm } from './tables.ts'

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

const view = {
  id: accounts.id,
  userId: accounts.ownerId,
  asset: accounts.asset,
  decimals: assets.decimals,
  available: accounts.available,
  locked: accounts.locked,
  version: accounts.version,
  createdAt: accounts.createdAt,
}

const isUsers = eq(accounts.ownerKind, 'user')

// Every transfer, credit and debit begins with it.
const byId = preparedRead((orm) =>
  orm
    .select(view)
    .from(accounts)
    .innerJoin(assets, eq(assets.symbol, accounts.asset))
    .where(and(isUsers, eq(accounts.id, sql.placeholder('id'))))
    .prepare('ledger.account_view'),
)

/** A user's account; the exchange's own are not shown. */
export async function findAccount(db: Orm, id: string): Promise<AccountView | undefined> {
  const [account] = await byId(db).execute({ id })
  return account
}

const ofUser = (userId: string, asset: string | undefined): SQL | undefined =>
  and(isUsers, eq(accounts.ownerId, userId), asset === undefined ? undefined : eq(accounts.asset, asset))

/** A user's accounts, by asset. */
export function pageOfAccounts(
  { orm }: Orm,
  userId: string,
  asset: string | undefined,
  { limit, offset }: Pick<Page, 'limit' | 'offset'>,
): Promise<AccountView[]> {
  return orm
    .select(view)
    .from(accounts)
    .innerJoin(assets, eq(assets.symbol, accounts.asset))
    .where(ofUser(userId, asset))
    .orderBy(asc(accounts.asset))
    .limit(limit)
    .offset(offset)
}

export const countAccounts = ({ orm }: Orm, userId: string, asset: string | undefined): Promise<number> =>
  orm.$count(accounts, ofUser(userId, asset))

/** The active assets in which the user has no account. */
export async function missingAccounts({ orm }: Orm, userId: string): Promise<string[]> {
  const own = new QueryBuilder()
    .select({ id: accounts.id })
    .from(accounts)
    .where(and(ofUser(userId, undefined), eq(accounts.asset, assets.symbol)))
  const rows = await orm
    .select({ symbol: assets.symbol })
    .from(assets)
    .where(and(eq(assets.isActive, true), notExists(own)))
  return rows.map(({ symbol }) => symbol)
}

/** Opens empty accounts. Repeating it changes nothing. */
export const openAccounts = (tx: Tx, userId: string, symbols: readonly string[], now: Date): Promise<void> =>
  insertAccounts(
    tx,
    symbols.map((asset) => ({ owner: user(userId), asset })),
    now,
  )
