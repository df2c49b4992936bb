import type { ErrorKind } from '@bitka/kernel'
import type { Tx } from '@bitka/store'
import type { NewHold, NewHoldChange } from '../domain/book.ts'
import type { Hold, HoldContent, HoldPurpose } from '../domain/model.ts'
import type { HoldFacts } from '../domain/needs.ts'
import { prepared, texts } from './sql.ts'

type FactsRow = {
  id: string
  account_id: string | null
  user_id: string | null
  asset: string | null
  receive_asset: string | null
}

const facts = prepared<FactsRow>(
  'hold_facts',
  'select id, account_id, user_id, asset, receive_asset from holds where id = any($1::uuid[])',
)

/** What never changes about holds; readable before any lock. */
export async function holdFacts(tx: Tx, ids: readonly string[]): Promise<Map<string, HoldFacts>> {
  if (ids.length === 0) return new Map()
  const rows = await facts(tx, [ids])
  return new Map(
    rows.map((row) => [
      row.id,
      {
        accountId: row.account_id ?? undefined,
        userId: row.user_id ?? undefined,
        asset: row.asset ?? undefined,
        receiveAsset: row.receive_asset ?? undefined,
      },
    ]),
  )
}

type HoldRow = FactsRow & {
  state: Hold['state']
  purpose: HoldPurpose
  symbol: string | null
  amount: string | null
  refusal_kind: ErrorKind | null
  refusal_message: string | null
  number: number | null
  remaining_after: string | null
  cause: string | null
}

const select = prepared<HoldRow>(
  'select_holds',
  `select h.id, h.state, h.purpose, h.user_id, h.account_id, h.asset, h.receive_asset, h.symbol, h.amount, h.refusal_kind,
     h.refusal_message, c.number, c.remaining_after, c.cause
   from holds h
   left join lateral (
     select number, remaining_after, cause from hold_changes where hold_id = h.id order by number desc limit 1) c on true
   where h.id = any($1::uuid[])`,
)

/** Holds with what is left of them. To be read after their accounts are locked. */
export async function selectHolds(tx: Tx, ids: readonly string[]): Promise<Hold[]> {
  return ids.length === 0 ? [] : (await select(tx, [ids])).map(toHold)
}

function toHold(row: HoldRow): Hold {
  const { id, state, purpose } = row
  if (state === 'tombstone') return { id, state, purpose }
  const content: HoldContent = {
    purpose,
    userId: row.user_id ?? '',
    asset: row.asset ?? '',
    receiveAsset: row.receive_asset ?? '',
    symbol: row.symbol ?? '',
    amount: BigInt(row.amount ?? 0),
  }
  if (state === 'refused') {
    return { id, state, content, refusal: { kind: row.refusal_kind ?? 'internal', message: row.refusal_message ?? '' } }
  }
  return {
    id,
    state,
    content,
    accountId: row.account_id ?? '',
    remaining: BigInt(row.remaining_after ?? 0),
    changeCount: row.number ?? 0,
    released: row.cause === 'release',
  }
}

// By rising id: two batches that decide the same new ids wait for each other one way only.
const insert = prepared(
  'insert_holds',
  `insert into holds (id, state, purpose, user_id, account_id, asset, receive_asset, symbol, amount, refusal_kind,
     refusal_message, created_at)
   select h.*, $12::timestamptz
   from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::numeric[],
     $10::text[], $11::text[]) as h (id, state, purpose, user_id, account_id, asset, receive_asset, symbol, amount, kind, message)
   order by h.id`,
)

export async function insertHolds(tx: Tx, holds: readonly NewHold[], now: Date): Promise<void> {
  if (holds.length === 0) return
  const contents = holds.map((hold) => (hold.state === 'tombstone' ? undefined : hold.content))
  const refusals = holds.map((hold) => (hold.state === 'refused' ? hold.refusal : undefined))
  await insert(tx, [
    holds.map(({ id }) => id),
    holds.map(({ state }) => state),
    holds.map((hold) => (hold.state === 'tombstone' ? hold.purpose : hold.content.purpose)),
    contents.map((content) => content?.userId),
    holds.map((hold) => (hold.state === 'placed' ? hold.accountId : undefined)),
    contents.map((content) => content?.asset),
    contents.map((content) => content?.receiveAsset),
    contents.map((content) => content?.symbol),
    contents.map((content) => content?.amount.toString()),
    refusals.map((refusal) => refusal?.kind),
    refusals.map((refusal) => refusal?.message),
    now,
  ])
}

const insertChanges = prepared(
  'insert_hold_changes',
  `insert into hold_changes (hold_id, number, account_id, delta, remaining_after, cause, tx_id, created_at)
   select c.*, $8::timestamptz
   from unnest($1::uuid[], $2::int[], $3::uuid[], $4::numeric[], $5::numeric[], $6::text[], $7::uuid[])
     as c (hold_id, number, account_id, delta, remaining_after, cause, tx_id)`,
)

export async function insertHoldChanges(tx: Tx, changes: readonly NewHoldChange[], now: Date): Promise<void> {
  if (changes.length === 0) return
  await insertChanges(tx, [
    changes.map(({ holdId }) => holdId),
    changes.map(({ number }) => number),
    changes.map(({ accountId }) => accountId),
    texts(changes.map(({ delta }) => delta)),
    texts(changes.map(({ remainingAfter }) => remainingAfter)),
    changes.map(({ cause }) => cause),
    changes.map(({ txId }) => txId),
    now,
  ])
}
