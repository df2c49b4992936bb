import { invalidField, isUuid } from '@bitka/kernel'
import type { CallContext, MethodImpl } from '@bitka/mesh'
import {
  type LedgerService,
  type ListTransactionsRequest,
  TransactionStatus,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { cutPage, decodeCursor, pagination, parsePage } from '@bitka/store'
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt'
import { z } from 'zod'
import type { LedgerContext } from '../context.ts'
import { countPostings, type PostingFilter, type PostingView, pageOfPostings } from '../store/posting-views.ts'
import { listOwner } from './access.ts'
import { toTransaction } from './encode.ts'

const cursorSchema = z.tuple([z.iso.datetime(), z.uuid()])
const readCursor = (cursor: string) =>
  decodeCursor(cursor, (key) => {
    const [at, id] = cursorSchema.parse(key)
    return { at: new Date(at), id }
  })

/** The caller's sides of transactions, newest first, by page or by cursor. */
export const listTransactions =
  ({ db }: LedgerContext): MethodImpl<typeof LedgerService.method.listTransactions> =>
  async (req, ctx) => {
    const page = parsePage(req)
    const after = req.cursor === undefined ? undefined : readCursor(req.cursor)
    const filter = readFilter(req, ctx)
    const offset = after ? 0 : page.offset
    const postings = filter ? await pageOfPostings(db, filter, { limit: page.limit + 1, offset, after }) : []
    const keyOf = ({ createdAt, id }: PostingView) => [createdAt.toISOString(), id]
    const { items, nextCursor } = cutPage(postings, page.perPage, keyOf)
    const whole = async () => pagination(page, filter ? await countPostings(db, filter) : 0)
    const { total, ...counted } = after ? { perPage: page.perPage, total: undefined } : await whole()
    return {
      items: items.map(toTransaction),
      pagination: { ...counted, total: total === undefined ? undefined : BigInt(total), nextCursor },
    }
  }

/** Undefined when nothing can match. */
function readFilter(req: ListTransactionsRequest, ctx: CallContext): PostingFilter | undefined {
  const userId = listOwner(ctx, req.userId)
  const [from, to] = [readTime(req.from, 'from'), readTime(req.to, 'to')]
  if (userId === undefined || (req.accountId !== undefined && !isUuid(req.accountId))) return undefined
  const filter = { userId, accountId: req.accountId, asset: req.asset, from, to }
  switch (req.status) {
    case undefined:
      return filter
    case TransactionStatus.POSTED:
      return { ...filter, status: 'posted' }
    case TransactionStatus.REVERSED:
      return { ...filter, status: 'reversed' }
    case TransactionStatus.PENDING:
    case TransactionStatus.FAILED:
      // What the ledger keeps has been posted.
      return undefined
    default:
      throw invalidField('status', 'must be pending, posted, failed or reversed')
  }
}

function readTime(time: Timestamp | undefined, field: string): Date | undefined {
  if (!time) return undefined
  const date = timestampDate(time)
  // Beyond the years that the database can store.
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) {
    throw invalidField(field, 'must be a time such as 2026-01-31T12:00:00Z')
  }
  return date
}
