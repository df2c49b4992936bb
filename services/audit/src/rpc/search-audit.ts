import type { MethodImpl } from '@bitka/mesh'
import type { AuditRow, AuditRowSchema, AuditService, SearchAuditRequest } from '@bitka/proto/bitka/audit/v1/audit_pb'
import { cutPage, type Db, decodeCursor, pagination, parsePage } from '@bitka/store'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt'
import { z } from 'zod'
import type { ChainedEntry } from '../domain/chain.ts'
import { type AuditFilter, countRows, searchRows } from '../store/audit-rows.ts'

const cursorShape = z.string().regex(/^[1-9][0-9]{0,17}$/)

/** Searches the audit log, newest first. */
export const searchAudit =
  (db: Db): MethodImpl<typeof AuditService.method.searchAudit> =>
  async (request) => {
    const page = parsePage(request)
    const filter = toFilter(request)
    const before =
      request.cursor === undefined ? undefined : BigInt(decodeCursor(request.cursor, (key) => cursorShape.parse(key)))
    const rows = await searchRows(db.orm, filter, {
      limit: page.limit + 1,
      offset: before === undefined ? page.offset : 0,
      before,
    })
    const { items, nextCursor } = cutPage(rows, page.perPage, ({ seq }) => String(seq))
    const counted = before === undefined ? pagination(page, await countRows(db.orm, filter)) : { perPage: page.perPage }
    return { items: items.map(toRow), pagination: { ...counted, nextCursor } }
  }

const toFilter = ({ actorId, action, targetId, service, requestId, from, to }: SearchAuditRequest): AuditFilter => ({
  actorId,
  action,
  targetId,
  service,
  requestId,
  from: from && timestampDate(from),
  to: to && timestampDate(to),
})

const said = (text: string): string | undefined => (text === '' ? undefined : text)

const toRow = (entry: ChainedEntry): MessageInitShape<typeof AuditRowSchema> => ({
  seq: entry.seq,
  eventId: entry.eventId,
  service: entry.service,
  time: timestampFromMs(entry.timeMs),
  actorKind: entry.actorKind as AuditRow['actorKind'],
  actorId: said(entry.actorId),
  action: entry.action,
  targetType: said(entry.targetType),
  targetId: said(entry.targetId),
  outcome: entry.outcome as AuditRow['outcome'],
  errorCode: said(entry.errorCode),
  address: said(entry.address),
  userAgent: said(entry.userAgent),
  requestId: said(entry.requestId),
  profile: entry.profile,
  details: entry.details.map(({ name, value }) => ({ name, value })),
  hash: Buffer.from(entry.hash).toString('hex'),
  previousHash: Buffer.from(entry.previousHash).toString('hex'),
})
