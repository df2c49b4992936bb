import type { StoredRecord } from '@bitka/events'
import { DomainError, isUuid } from '@bitka/kernel'
import { AuditRecordedSchema } from '@bitka/proto/bitka/events/v1/audit_pb'
import type { Tx } from '@bitka/store'
import { fromBinary } from '@bufbuild/protobuf'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { type AuditEntry, chain } from '../domain/chain.ts'
import { insertRows, knownEvents, lockHead } from '../store/audit-rows.ts'

const TOPIC_PREFIX = 'system.audit.log.'
/** Longer facts are a mistake or an attack; they are cut, so that the row is kept. */
const TEXT_LENGTH_MAX = 1_000
const DETAILS_MAX = 32

/** Appends the actions of some records to the chain. An action that came before is passed over. */
export async function recordActions(tx: Tx, records: StoredRecord[]): Promise<void> {
  const entries = records.map(toEntry)
  const head = await lockHead(tx)
  const known = await knownEvents(
    tx,
    entries.map(({ eventId }) => eventId),
  )
  const fresh = entries.filter(({ eventId }) => {
    if (known.has(eventId)) return false
    known.add(eventId)
    return true
  })
  await insertRows(tx, chain(head, fresh))
}

const cut = (text: string): string => text.slice(0, TEXT_LENGTH_MAX).replaceAll('\u0000', '')

/** The producer is whoever may append to the topic, never what the record says. */
function toEntry(record: StoredRecord): AuditEntry {
  const event = fromBinary(AuditRecordedSchema, record.value)
  if (!isUuid(event.eventId)) throw new DomainError('invalid', 'An audit record has no event id.')
  return {
    eventId: event.eventId.toLowerCase(),
    service: record.topic.slice(TOPIC_PREFIX.length),
    timeMs: event.time ? timestampMs(event.time) : record.timestampMs,
    actorKind: event.actorKind,
    actorId: cut(event.actorId),
    action: cut(event.action),
    targetType: cut(event.targetType),
    targetId: cut(event.targetId),
    outcome: event.outcome,
    errorCode: cut(event.errorCode),
    address: cut(event.address),
    userAgent: cut(event.userAgent),
    requestId: cut(event.requestId),
    profile: cut(event.profile),
    details: event.details.slice(0, DETAILS_MAX).map(({ name, value }) => ({ name: cut(name), value: cut(value) })),
  }
}
