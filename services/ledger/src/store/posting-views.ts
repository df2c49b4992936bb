import type { JsonObject } from '@bufbuild/protobuf'
import { and, count, desc, eq, exists, gte, lt, not, type SQL, sql } from 'drizzle-orm'
import { type AnyPgColumn, alias, QueryBuilder } from 'drizzle-orm/pg-core'
import type { PostingKind } from '../domain/model.ts'
import { accounts, assets, type Orm, postings, transactions } from './tables.ts'

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

const undoings = alias(transactions, 'undoings')
const isReversed = (txId: AnyPgColumn): SQL<boolean> => {
  const undoing = new QueryBuilder().select({ id: undoings.id }).from(undoings).where(eq(undoings.reversesTxId, txId))
  return sql<boolean>`${exists(undoing)}`
}

const side = {
  id: postings.id,
  txId: postings.txId,
  accountId: postings.accountId,
  kind: postings.kind,
  amount: postings.amount,
  balanceAfter: postings.balanceAfter,
  relatedId: postings.relatedId,
  createdAt: postings.createdAt,
}
const about = {
  userId: accounts.ownerId,
  asset: accounts.asset,
  decimals: assets.decimals,
  description: transactions.description,
  metadata: transactions.metadata,
}

type Nullable = 'relatedId' | 'description' | 'metadata'
type Row = Omit<PostingView, Nullable> & {
  relatedId: string | null
  description: string | null
  metadata: JsonObject | null
}

const toView = ({ relatedId, description, metadata, ...row }: Row): PostingView => ({
  ...row,
  relatedId: relatedId ?? undefined,
  description: description ?? undefined,
  metadata: metadata ?? {},
})

/** A user's side of a transaction; those of the exchange's own accounts are not shown. */
export async function findPosting({ orm }: Orm, id: string): Promise<PostingView | undefined> {
  const [row] = await orm
    .select({ ...side, ...about, reversed: isReversed(postings.txId) })
    .from(postings)
    .innerJoin(transactions, eq(transactions.id, postings.txId))
    .innerJoin(accounts, and(eq(accounts.id, postings.accountId), eq(accounts.ownerKind, 'user')))
    .innerJoin(assets, eq(assets.symbol, accounts.asset))
    .where(eq(postings.id, id))
  return row && toView(row)
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

const ownAccounts = ({ userId, accountId, asset }: PostingFilter): SQL | undefined =>
  and(
    eq(accounts.ownerKind, 'user'),
    eq(accounts.ownerId, userId),
    accountId === undefined ? undefined : eq(accounts.id, accountId),
    asset === undefined ? undefined : eq(accounts.asset, asset),
  )

const conditions = ({ from, to, status }: PostingFilter): SQL | undefined =>
  and(
    from && gte(postings.createdAt, from),
    to && lt(postings.createdAt, to),
    status === 'posted' ? not(isReversed(postings.txId)) : undefined,
  )

const isOlder = ({ at, id }: PostingCursor): SQL =>
  sql`(${postings.createdAt}, ${postings.id}) < (${sql.param(at, postings.createdAt)}, ${sql.param(id, postings.id)})`

const reversals = alias(postings, 'reversals')

/**
 * The postings of the account that the query around this one is at. Read from the few reversals of the account, or from
 * its postings: either way by an index that has them in order.
 */
function ofAccount(filter: PostingFilter, after?: PostingCursor) {
  const where = and(conditions(filter), after && isOlder(after))
  const query = new QueryBuilder().select(side).from(postings).$dynamic()
  if (filter.status !== 'reversed') return query.where(and(eq(postings.accountId, accounts.id), where))
  return query
    .innerJoin(reversals, eq(reversals.relatedId, postings.id))
    .where(and(eq(reversals.accountId, accounts.id), sql`${reversals.kind} = 'reversal'`, where))
}

/** A user's sides of transactions, newest first. */
export async function pageOfPostings(
  { orm }: Orm,
  filter: PostingFilter,
  { limit, offset, after }: { limit: number; offset: number; after?: PostingCursor },
): Promise<PostingView[]> {
  // Each account gives its newest; a user has few accounts, so merging them costs less than an index by user would.
  const newest = ofAccount(filter, after)
    .orderBy(desc(postings.createdAt), desc(postings.id))
    .limit(limit + offset)
    .as('newest')
  const { id, accountId, kind, amount, balanceAfter, relatedId, createdAt } = newest
  const rows = await orm
    .select({
      id,
      accountId,
      kind,
      amount,
      balanceAfter,
      relatedId,
      createdAt,
      ...about,
      reversed: isReversed(newest.txId),
    })
    .from(accounts)
    .crossJoinLateral(newest)
    .innerJoin(transactions, eq(transactions.id, newest.txId))
    .innerJoin(assets, eq(assets.symbol, accounts.asset))
    .where(ownAccounts(filter))
    .orderBy(desc(newest.createdAt), desc(newest.id))
    .limit(limit)
    .offset(offset)
  return rows.map(toView)
}

export async function countPostings({ orm }: Orm, filter: PostingFilter): Promise<number> {
  const { from, to, status } = filter
  const isWhole = !from && !to && !status
  // An account knows how many postings it has.
  if (isWhole) {
    const total = sql`coalesce(sum(${accounts.postingCount}), 0)`.mapWith(Number)
    const [row] = await orm.select({ total }).from(accounts).where(ownAccounts(filter))
    return row?.total ?? 0
  }
  const found = ofAccount(filter).as('found')
  const [row] = await orm.select({ total: count() }).from(accounts).crossJoinLateral(found).where(ownAccounts(filter))
  return row?.total ?? 0
}
