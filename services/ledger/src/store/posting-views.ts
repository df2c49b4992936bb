import type { Queryable } from '@bitka/store'
import type { JsonObject } from '@bufbuild/protobuf'
import type { PostingKind } from '../domain/model.ts'

/** One side of a transaction as people see it. */
export type PostingView = {
  id: string
  accountId: string
  userId: string
  asset: string
  decimals: number
  kind: PostingKind
  amount: bigint
  balanceAfter: bigint
  relatedId?: string
  description?: string
  metadata: JsonObject
  reversed: boolean
  createdAt: Date
}

type Row = {
  id: string
  account_id: string
  owner_id: string
  asset: string
  decimals: number
  kind: PostingKind
  amount: string
  balance_after: string
  related_id: string | null
  description: string | null
  metadata: JsonObject | null
  reversed: boolean
  created_at: Date
}

const toView = (row: Row): PostingView => ({
  id: row.id,
  accountId: row.account_id,
  userId: row.owner_id,
  asset: row.asset,
  decimals: row.decimals,
  kind: row.kind,
  amount: BigInt(row.amount),
  balanceAfter: BigInt(row.balance_after),
  relatedId: row.related_id ?? undefined,
  description: row.description ?? undefined,
  metadata: row.metadata ?? {},
  reversed: row.reversed,
  createdAt: row.created_at,
})

const COLUMNS = `p.id, p.account_id, a.owner_id, a.asset, s.decimals, p.kind, p.amount, p.balance_after, p.related_id,
  t.description, t.metadata, p.created_at,
  exists (select from transactions r where r.reverses_tx_id = p.tx_id) as reversed`

/** A user's side of a transaction; those of the exchange's own accounts are not shown. */
export async function findPosting(db: Queryable, id: string): Promise<PostingView | undefined> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS}
     from postings p join transactions t on t.id = p.tx_id
     join accounts a on a.id = p.account_id and a.owner_kind = 'user' join assets s on s.symbol = a.asset
     where p.id = $1`,
    [id],
  )
  return rows[0] && toView(rows[0])
}

export type PostingFilter = {
  userId: string
  accountId?: string
  asset?: string
  status?: 'posted' | 'reversed'
  from?: Date
  to?: Date
}

/** Where a page begins: after the last row of the page before. */
export type PostingCursor = { at: Date; id: string }

/** Collects the values of a statement; each call answers its placeholder. */
class Params {
  readonly values: unknown[] = []
  add(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }
}

const ownAccounts = (filter: PostingFilter, params: Params): string =>
  [
    `a.owner_kind = 'user' and a.owner_id = ${params.add(filter.userId)}`,
    filter.accountId === undefined ? [] : `a.id = ${params.add(filter.accountId)}`,
    filter.asset === undefined ? [] : `a.asset = ${params.add(filter.asset)}`,
  ]
    .flat()
    .join(' and ')

// Read from the few reversals of the account, or from its postings: either way by an index that has them in order.
const source = ({ status }: PostingFilter): string =>
  status === 'reversed'
    ? `postings r join postings p on p.id = r.related_id where r.account_id = a.id and r.kind = 'reversal'`
    : 'postings p where p.account_id = a.id'

const conditions = ({ from, to, status }: PostingFilter, params: Params): string =>
  [
    from ? ` and p.created_at >= ${params.add(from)}` : '',
    to ? ` and p.created_at < ${params.add(to)}` : '',
    status === 'posted' ? ' and not exists (select from transactions r where r.reverses_tx_id = p.tx_id)' : '',
  ].join('')

/** A user's sides of transactions, newest first. */
export async function pageOfPostings(
  db: Queryable,
  filter: PostingFilter,
  page: { limit: number; offset: number; after?: PostingCursor },
): Promise<PostingView[]> {
  const params = new Params()
  const accounts = ownAccounts(filter, params)
  const { after } = page
  const older = after ? ` and (p.created_at, p.id) < (${params.add(after.at)}, ${params.add(after.id)}::uuid)` : ''
  // Each account gives its newest; a user has few accounts, so merging them costs less than an index by user would.
  const { rows } = await db.query<Row>(
    `select ${COLUMNS}
     from accounts a
     cross join lateral (
       select p.* from ${source(filter)}${conditions(filter, params)}${older}
       order by p.created_at desc, p.id desc limit ${params.add(page.limit + page.offset)}) p
     join transactions t on t.id = p.tx_id
     join assets s on s.symbol = a.asset
     where ${accounts}
     order by p.created_at desc, p.id desc limit ${params.add(page.limit)} offset ${params.add(page.offset)}`,
    params.values,
  )
  return rows.map(toView)
}

export async function countPostings(db: Queryable, filter: PostingFilter): Promise<bigint> {
  const params = new Params()
  const accounts = ownAccounts(filter, params)
  const isWhole = !filter.from && !filter.to && !filter.status
  // An account knows how many postings it has.
  const { rows } = await db.query<{ count: bigint }>(
    isWhole
      ? `select coalesce(sum(posting_count), 0)::bigint as count from accounts a where ${accounts}`
      : `select count(*) from accounts a
         cross join lateral (select from ${source(filter)}${conditions(filter, params)}) p where ${accounts}`,
    params.values,
  )
  return rows[0]?.count ?? 0n
}
