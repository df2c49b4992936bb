import { createHash } from 'node:crypto'

/** One action, before it has a place in the chain. Empty text where something was not said. */
export type AuditEntry = {
  eventId: string
  service: string
  /** Milliseconds since 1970. */
  timeMs: number
  actorKind: number
  actorId: string
  action: string
  targetType: string
  targetId: string
  outcome: number
  errorCode: string
  address: string
  userAgent: string
  requestId: string
  profile: string
  details: readonly { name: string; value: string }[]
}

export type ChainedEntry = AuditEntry & { seq: bigint; previousHash: Uint8Array; hash: Uint8Array }

/** Where the chain stands: the last row, or before the first. */
export type ChainHead = { seq: bigint; hash: Uint8Array }

export const GENESIS: ChainHead = { seq: 0n, hash: new Uint8Array(32) }

/** Names the encoding, so that a later one can be told apart. */
const ENCODING = 'bitka.audit.v1'

/**
 * What is hashed of a row: a JSON array of the encoding's name, the place and every field in this order, in UTF-8. JSON
 * arrays of strings and safe integers have one form, so anybody can compute it again from a row.
 */
export function canonicalEncoding(seq: bigint, entry: AuditEntry): Buffer {
  return Buffer.from(
    JSON.stringify([
      ENCODING,
      String(seq),
      entry.eventId,
      entry.service,
      entry.timeMs,
      entry.actorKind,
      entry.actorId,
      entry.action,
      entry.targetType,
      entry.targetId,
      entry.outcome,
      entry.errorCode,
      entry.address,
      entry.userAgent,
      entry.requestId,
      entry.profile,
      entry.details.map(({ name, value }) => [name, value]),
    ]),
  )
}

/** SHA-256 over the hash before and the row's canonical encoding. */
export const chainHash = (previousHash: Uint8Array, seq: bigint, entry: AuditEntry): Uint8Array =>
  createHash('sha256').update(previousHash).update(canonicalEncoding(seq, entry)).digest()

/** Puts entries behind the head, in order. */
export function chain(head: ChainHead, entries: readonly AuditEntry[]): ChainedEntry[] {
  let { seq, hash: previousHash } = head
  return entries.map((entry) => {
    seq += 1n
    const hash = chainHash(previousHash, seq, entry)
    const chained = { ...entry, seq, previousHash, hash }
    previousHash = hash
    return chained
  })
}

/** The first row that does not follow from the one before it, or undefined when all do. */
export function firstBreak(head: ChainHead, rows: readonly ChainedEntry[]): ChainedEntry | undefined {
  let { seq, hash } = head
  for (const row of rows) {
    const expected = chainHash(hash, seq + 1n, row)
    const follows =
      row.seq === seq + 1n && Buffer.compare(row.previousHash, hash) === 0 && Buffer.compare(row.hash, expected) === 0
    if (!follows) return row
    seq = row.seq
    hash = row.hash
  }
  return undefined
}
