import type { Queryable, Tx } from '@bitka/store'
import { and, asc, eq } from 'drizzle-orm'
import type { Asset } from '../domain/model.ts'
import { prepared } from './sql.ts'
import { type AssetType, accounts, assets, type Orm } from './tables.ts'

/** An asset as people see it. */
export type AssetRecord = Asset & {
  readonly name: string
  readonly type: AssetType
  readonly iconUrl?: string
  readonly createdAt: Date
}

type Row = typeof assets.$inferSelect

const toAsset = ({ iconUrl, ...row }: Row): AssetRecord => ({ ...row, iconUrl: iconUrl ?? undefined })

// Every batch of postings begins with it.
const select = prepared<Row>(
  'select_assets',
  `select symbol, name, type, decimals, icon_url as "iconUrl", is_active as "isActive", created_at as "createdAt"
   from assets where symbol = any($1::text[]) order by symbol`,
)

/** The assets of these symbols that exist. */
export async function selectAssets(db: Queryable, symbols: readonly string[]): Promise<AssetRecord[]> {
  return symbols.length === 0 ? [] : (await select(db, [symbols])).map(toAsset)
}

export async function allAssets({ orm }: Orm): Promise<AssetRecord[]> {
  return (await orm.select().from(assets).orderBy(asc(assets.symbol))).map(toAsset)
}

export async function findAsset({ orm }: Orm, symbol: string): Promise<AssetRecord | undefined> {
  const [row] = await orm.select().from(assets).where(eq(assets.symbol, symbol))
  return row && toAsset(row)
}

export async function lockAsset({ orm }: Tx, symbol: string): Promise<AssetRecord | undefined> {
  const [row] = await orm.select().from(assets).where(eq(assets.symbol, symbol)).for('no key update')
  return row && toAsset(row)
}

/** False when there is an asset of that symbol already. */
export async function insertAsset({ orm }: Tx, asset: AssetRecord): Promise<boolean> {
  const { rowCount } = await orm.insert(assets).values(asset).onConflictDoNothing({ target: assets.symbol })
  return rowCount === 1
}

/** Changes everything but its symbol and when it was made. */
export async function updateAsset({ orm }: Tx, asset: AssetRecord): Promise<void> {
  const { symbol, createdAt: _, iconUrl, ...changes } = asset
  await orm
    .update(assets)
    .set({ ...changes, iconUrl: iconUrl ?? null })
    .where(eq(assets.symbol, symbol))
}

/**
 * Whether the asset has ever been posted. Money enters by `external` alone, so its account tells; it is locked, and a
 * credit under way finds the new decimals when it reads the asset under the same lock.
 */
export async function hasPostings({ orm }: Tx, symbol: string): Promise<boolean> {
  const [row] = await orm
    .select({ postingCount: accounts.postingCount })
    .from(accounts)
    .where(and(eq(accounts.ownerKind, 'system'), eq(accounts.ownerId, 'external'), eq(accounts.asset, symbol)))
    .for('no key update')
  return row !== undefined && row.postingCount > 0n
}
