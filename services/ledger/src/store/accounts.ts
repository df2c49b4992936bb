import { newId } from '@bitka/kernel'
import type { Queryable, Tx } from '@bitka/store'
import { type Account, type Owner, ownerKey, system, systemNames, user } from '../domain/model.ts'
import type { AccountNeeds, OwnedAccount } from '../domain/needs.ts'
import { prepared, texts } from './sql.ts'

type KeyRow = { id: string; owner_kind: string; owner_id: string; asset: string }
type AccountRow = KeyRow & {
  available: string
  locked: string
  posting_count: bigint
  version: bigint
  frozen: boolean
}

const find = prepared<KeyRow>(
  'find_accounts',
  `select a.id, a.owner_kind, a.owner_id, a.asset
   from unnest($1::text[], $2::text[], $3::text[]) as k (owner_kind, owner_id, asset)
   join accounts a on a.owner_kind = k.owner_kind and a.owner_id = k.owner_id and a.asset = k.asset`,
)

// In one order, so that two batches that make the same accounts wait for each other one way only.
const insert = prepared<KeyRow>(
  'insert_accounts',
  `insert into accounts (id, owner_kind, owner_id, asset, created_at)
   select id, owner_kind, owner_id, asset, $5
   from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as k (id, owner_kind, owner_id, asset)
   order by owner_kind, owner_id, asset
   on conflict on constraint accounts_owner_key do nothing`,
)

// The one place where account rows are locked, always by rising id: batches wait for each other and never in a circle.
const lock = prepared<AccountRow>(
  'lock_accounts',
  `select id, owner_kind, owner_id, asset, available, locked, posting_count, version, frozen_at is not null as frozen
   from accounts where id = any($1::uuid[]) order by id for no key update`,
)

const update = prepared(
  'update_accounts',
  `update accounts a set available = u.available, locked = u.locked, posting_count = u.posting_count, version = u.version
   from unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::bigint[], $5::bigint[])
     as u (id, available, locked, posting_count, version)
   where a.id = u.id`,
)

const toOwner = (row: KeyRow): Owner =>
  row.owner_kind === 'user'
    ? user(row.owner_id)
    : system(systemNames.find((name) => name === row.owner_id) ?? 'external')

const columns = (owned: readonly Pick<OwnedAccount, 'owner' | 'asset'>[]): [string[], string[], string[]] => [
  owned.map(({ owner }) => owner.kind),
  owned.map(({ owner }) => owner.id),
  owned.map(({ asset }) => asset),
]

async function findIds(tx: Tx, owned: readonly OwnedAccount[]): Promise<Map<string, string>> {
  if (owned.length === 0) return new Map()
  const rows = await find(tx, columns(owned))
  return new Map(rows.map((row) => [ownerKey(toOwner(row), row.asset), row.id]))
}

/** Makes the accounts that do not exist yet, with nothing in them. */
export async function insertAccounts(
  tx: Tx,
  owned: readonly Pick<OwnedAccount, 'owner' | 'asset'>[],
  now: Date,
): Promise<void> {
  if (owned.length > 0) await insert(tx, [owned.map(() => newId()), ...columns(owned), now])
}

/** Locks the accounts that a batch touches, making those that somebody is about to receive on. */
export async function lockAccounts(tx: Tx, { ids, owned }: AccountNeeds, now: Date): Promise<Account[]> {
  let found = await findIds(tx, owned)
  const missing = owned.filter(({ owner, asset, create }) => create && !found.has(ownerKey(owner, asset)))
  if (missing.length > 0) {
    await insertAccounts(tx, missing, now)
    found = await findIds(tx, owned)
  }
  const all = [...new Set([...ids, ...found.values()])]
  if (all.length === 0) return []
  const rows = await lock(tx, [all])
  return rows.map((row) => ({
    id: row.id,
    owner: toOwner(row),
    asset: row.asset,
    frozen: row.frozen,
    available: BigInt(row.available),
    locked: BigInt(row.locked),
    postingCount: row.posting_count,
    version: row.version,
  }))
}

export async function updateAccounts(tx: Tx, accounts: readonly Account[]): Promise<void> {
  if (accounts.length === 0) return
  await update(tx, [
    accounts.map(({ id }) => id),
    texts(accounts.map(({ available }) => available)),
    texts(accounts.map(({ locked }) => locked)),
    texts(accounts.map(({ postingCount }) => postingCount)),
    texts(accounts.map(({ version }) => version)),
  ])
}

const unbalanced = prepared<{ asset: string }>(
  'unbalanced_assets',
  'select asset from accounts group by asset having sum(available + locked) <> 0 order by asset',
)

/** Assets whose accounts do not sum to zero, as one statement sees them all. */
export async function unbalancedAssets(db: Queryable): Promise<string[]> {
  return (await unbalanced(db, [])).map(({ asset }) => asset)
}
