import type { Queryable, Tx } from '@bitka/store'
import type { Asset } from '../domain/model.ts'
import { prepared } from './sql.ts'

export type AssetType = 'CRYPTO' | 'FIAT'

/** An asset as people see it. */
export type AssetRecord = Asset & {
  readonly name: string
  readonly type: AssetType
  readonly iconUrl?: string
  readonly createdAt: Date
}

type AssetRow = {
  symbol: string
  name: string
  type: AssetType
  decimals: number
  icon_url: string | null
  is_active: boolean
  created_at: Date
}

const COLUMNS = 'symbol, name, type, decimals, icon_url, is_active, created_at'

const toAsset = (row: AssetRow): AssetRecord => ({
  symbol: row.symbol,
  name: row.name,
  type: row.type,
  decimals: row.decimals,
  iconUrl: row.icon_url ?? undefined,
  isActive: row.is_active,
  createdAt: row.created_at,
})

const select = prepared<AssetRow>(
  'select_assets',
  `select ${COLUMNS} from assets where symbol = any($1::text[]) order by symbol`,
)
const selectAll = prepared<AssetRow>('all_assets', `select ${COLUMNS} from assets order by symbol`)
const lock = prepared<AssetRow>('lock_asset', `select ${COLUMNS} from assets where symbol = $1 for no key update`)
const insert = prepared(
  'insert_asset',
  `insert into assets (${COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7) on conflict (symbol) do nothing returning 1`,
)
const update = prepared(
  'update_asset',
  'update assets set name = $2, type = $3, decimals = $4, icon_url = $5, is_active = $6 where symbol = $1',
)
const lockExternal = prepared<{ posting_count: bigint }>(
  'lock_external',
  `select posting_count from accounts where owner_kind = 'system' and owner_id = 'external' and asset = $1 for no key update`,
)

/** The assets of these symbols that exist. */
export async function selectAssets(db: Queryable, symbols: readonly string[]): Promise<AssetRecord[]> {
  return symbols.length === 0 ? [] : (await select(db, [symbols])).map(toAsset)
}

export const allAssets = async (db: Queryable): Promise<AssetRecord[]> => (await selectAll(db, [])).map(toAsset)

export async function lockAsset(tx: Tx, symbol: string): Promise<AssetRecord | undefined> {
  const [row] = await lock(tx, [symbol])
  return row && toAsset(row)
}

const values = (asset: AssetRecord) => [
  asset.symbol,
  asset.name,
  asset.type,
  asset.decimals,
  asset.iconUrl,
  asset.isActive,
]

/** False when there is an asset of that symbol already. */
export async function insertAsset(tx: Tx, asset: AssetRecord): Promise<boolean> {
  return (await insert(tx, [...values(asset), asset.createdAt])).length > 0
}

export async function updateAsset(tx: Tx, asset: AssetRecord): Promise<void> {
  await update(tx, values(asset))
}

/**
 * Whether the asset has ever been posted. Money enters by `external` alone, so its account tells; it is locked, and a
 * credit under way finds the new decimals when it reads the asset under the same lock.
 */
export async function hasPostings(tx: Tx, symbol: string): Promise<boolean> {
  const [row] = await lockExternal(tx, [symbol])
  return row !== undefined && row.posting_count > 0n
}
