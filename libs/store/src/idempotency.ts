import { createHash } from 'node:crypto'
import { assert, DomainError, type ErrorDetails, type ErrorKind, invalidField } from '@bitka/kernel'
import type { Db } from './db.ts'
import { savepoint, stateOf, type Tx } from './tx.ts'

export type IdempotencyKey = {
  /** The route or RPC: one key may be used once in each. */
  scope: string
  userId: string
  key: string
  /** Hash of the request, see requestHash(): the same key with another request is refused. */
  requestHash: Uint8Array
  /** How long the answer is kept; null keeps it for good (money). */
  ttlMs: number | null
  /** The time from the service's clock; default the process's. */
  now?: Date
}

/** How an answer is stored. To leave a secret out of the repeat, leave it out in `encode`. */
export type Codec<T> = { encode(value: T): Uint8Array; decode(bytes: Uint8Array): T }

/** Refusals that are an outcome and are remembered. The others never began: the caller may fix the cause and try again. */
const DECIDED: ReadonlySet<ErrorKind> = new Set(['conflict', 'insufficient_funds', 'not_found'])

type Refusal = { kind: ErrorKind; message: string; details: ErrorDetails }

/**
 * The Idempotency-Key of a call, when it has one.
 * @throws DomainError invalid when it is not 1 to 64 visible ASCII characters
 */
export function readIdempotencyKey(key: string | undefined): string | undefined {
  if (key === undefined || key === '') return undefined
  if (!/^[\x21-\x7e]{1,64}$/.test(key))
    throw invalidField('Idempotency-Key', 'must have 1 to 64 visible ASCII characters')
  return key
}

/** JSON values and bigint. A protobuf message wants its own codec (toBinary, fromBinary). */
export const jsonCodec = <T>(): Codec<T> => ({
  encode: (value) =>
    Buffer.from(
      JSON.stringify(value ?? null, (_, item: unknown) =>
        typeof item === 'bigint' ? { $bigint: item.toString() } : item,
      ),
    ),
  decode: (bytes) =>
    JSON.parse(Buffer.from(bytes).toString('utf8'), (_, item: unknown) =>
      item !== null && typeof item === 'object' && '$bigint' in item ? BigInt(String(item.$bigint)) : item,
    ) as T,
})

/** SHA-256 over the parts of a request, each with its length before it, so that ["ab","c"] and ["a","bc"] differ. */
export function requestHash(...parts: (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    hash.update(`${bytes.length}:`).update(bytes)
  }
  return hash.digest()
}

// Waits for another transaction with the same key: its row is either the answer (no row comes back from here) or gone.
// An expired row is taken over.
const CLAIM = `
insert into idempotency as i (scope, user_id, key, request_hash, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6)
on conflict (scope, user_id, key) do update
  set request_hash = excluded.request_hash, created_at = excluded.created_at, expires_at = excluded.expires_at,
      outcome = null, answer = null
  where i.expires_at <= excluded.created_at
returning 1`

const KEY = 'scope = $1 and user_id = $2 and key = $3'

/**
 * Does `run` once for a key and answers every repeat with the first outcome: the value, or a decided refusal (conflict,
 * insufficient_funds, not_found), whose own writes are undone. Any other error forgets the key with the transaction.
 *
 * Call it first and alone in a read committed transaction, and let its refusal pass: Db.transaction then commits the
 * record of the refusal and throws it.
 * @throws DomainError conflict when the key was used for another request
 */
export async function idempotent<T>(
  tx: Tx,
  key: IdempotencyKey,
  run: () => Promise<T>,
  codec: Codec<T> = jsonCodec<T>(),
): Promise<T> {
  const now = key.now ?? new Date()
  const expiresAt = key.ttlMs === null ? null : new Date(now.getTime() + key.ttlMs)
  const id = [key.scope, key.userId, key.key]
  const claimed = await tx.query(CLAIM, [...id, key.requestHash, now, expiresAt])
  if (claimed.rowCount === 0) return replay(tx, key, codec)
  const store = (outcome: 'answer' | 'refusal', bytes: Uint8Array) =>
    tx.query(`update idempotency set outcome = $4, answer = $5 where ${KEY}`, [...id, outcome, bytes])
  let answer: T
  try {
    answer = await savepoint(tx, run)
  } catch (error) {
    if (!(error instanceof DomainError) || !DECIDED.has(error.kind)) throw error
    const { kind, message, details } = error
    await store('refusal', jsonCodec<Refusal>().encode({ kind, message, details }))
    stateOf(tx).decided.add(error)
    throw error
  }
  await store('answer', codec.encode(answer))
  return answer
}

async function replay<T>(tx: Tx, key: IdempotencyKey, codec: Codec<T>): Promise<T> {
  const found = await tx.query<{ request_hash: Buffer; outcome: string | null; answer: Buffer | null }>(
    `select request_hash, outcome, answer from idempotency where ${KEY}`,
    [key.scope, key.userId, key.key],
  )
  const row = found.rows[0]
  assert(row?.outcome && row.answer, 'an idempotency row is visible before it has an outcome')
  if (!row.request_hash.equals(key.requestHash)) {
    throw new DomainError('conflict', 'This idempotency key was already used for another request.')
  }
  if (row.outcome === 'answer') return codec.decode(row.answer)
  const { kind, message, details } = jsonCodec<Refusal>().decode(row.answer)
  throw new DomainError(kind, message, details)
}

/** Deletes answers that have expired, at most `limit` (1,000); answers how many. Call it again while it answers `limit`. */
export async function purgeIdempotency(
  db: Pick<Db, 'query'>,
  options: { now?: Date; limit?: number } = {},
): Promise<number> {
  const { rowCount } = await db.query(
    `delete from idempotency where ctid = any(array(
       select ctid from idempotency where expires_at <= $1 order by expires_at limit $2 for update skip locked))`,
    [options.now ?? new Date(), options.limit ?? 1_000],
  )
  return rowCount ?? 0
}
