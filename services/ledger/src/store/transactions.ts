import type { Tx } from '@bitka/store'
import type { NewPosting, NewTransaction } from '../domain/book.ts'
import type { StoredTransaction, TransactionKind } from '../domain/model.ts'
import { prepared, texts } from './sql.ts'

type SideRow = { named: string; tx_id: string; kind: TransactionKind; id: string; account_id: string; amount: string }

const sides = prepared<SideRow>(
  'transaction_sides',
  `select n.id as named, t.id as tx_id, t.kind, p.id, p.account_id, p.amount
   from postings n join transactions t on t.id = n.tx_id join postings p on p.tx_id = t.id
   where n.id = any($1::uuid[]) order by p.tx_id, p.id`,
)

/** Whole transactions by one of their sides; whether they are reversed is read later, under the locks of their accounts. */
export async function transactionsBySide(
  tx: Tx,
  postingIds: readonly string[],
): Promise<Map<string, StoredTransaction>> {
  const found = new Map<string, StoredTransaction & { postings: { id: string; accountId: string; amount: bigint }[] }>()
  if (postingIds.length === 0) return found
  for (const row of await sides(tx, [postingIds])) {
    const transaction = found.get(row.named) ?? { id: row.tx_id, kind: row.kind, reversed: false, postings: [] }
    transaction.postings.push({ id: row.id, accountId: row.account_id, amount: BigInt(row.amount) })
    found.set(row.named, transaction)
  }
  return found
}

const reversals = prepared<{ reverses_tx_id: string }>(
  'reversals',
  'select reverses_tx_id from transactions where reverses_tx_id = any($1::uuid[])',
)

/** Those of the transactions that have been reversed. */
export async function reversedAmong(tx: Tx, txIds: readonly string[]): Promise<Set<string>> {
  if (txIds.length === 0) return new Set()
  return new Set((await reversals(tx, [txIds])).map((row) => row.reverses_tx_id))
}

const insert = prepared(
  'insert_transactions',
  `insert into transactions (id, kind, description, metadata, author, reverses_tx_id, symbol, result_number, created_at)
   select t.id, t.kind, t.description, t.metadata::jsonb, t.author, t.reverses_tx_id, t.symbol, t.result_number, $9::timestamptz
   from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::bigint[])
     as t (id, kind, description, metadata, author, reverses_tx_id, symbol, result_number)`,
)

export async function insertTransactions(tx: Tx, transactions: readonly NewTransaction[], now: Date): Promise<void> {
  if (transactions.length === 0) return
  await insert(tx, [
    transactions.map(({ id }) => id),
    transactions.map(({ kind }) => kind),
    transactions.map(({ note }) => note.description),
    transactions.map(({ note }) => note.metadata && JSON.stringify(note.metadata)),
    transactions.map(({ note }) => note.author),
    transactions.map(({ reversesTxId }) => reversesTxId),
    transactions.map(({ symbol }) => symbol),
    transactions.map(({ resultNumber }) => resultNumber?.toString()),
    now,
  ])
}

// One statement for all sides: the trigger postings_sum_to_zero looks at what one statement added.
const insertSides = prepared(
  'insert_postings',
  `insert into postings (id, tx_id, account_id, number, kind, amount, balance_after, related_id, created_at)
   select p.*, $9::timestamptz
   from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::numeric[], $7::numeric[], $8::uuid[])
     as p (id, tx_id, account_id, number, kind, amount, balance_after, related_id)`,
)

export async function insertPostings(tx: Tx, postings: readonly NewPosting[], now: Date): Promise<void> {
  if (postings.length === 0) return
  await insertSides(tx, [
    postings.map(({ id }) => id),
    postings.map(({ txId }) => txId),
    postings.map(({ accountId }) => accountId),
    texts(postings.map(({ number }) => number)),
    postings.map(({ kind }) => kind),
    texts(postings.map(({ amount }) => amount)),
    texts(postings.map(({ balanceAfter }) => balanceAfter)),
    postings.map(({ relatedId }) => relatedId),
    now,
  ])
}
