import { invalidField } from '@bitka/kernel'
import type { CallContext } from '@bitka/mesh'
import { type IdempotencyKey, readIdempotencyKey, requestHash } from '@bitka/store'
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'

/** What is kept for the answer to travel back before the caller's deadline. */
const ANSWER_MS = 250

/** How long a call may wait for the engine: at most `ms`, and not past its own deadline. */
export const waitOf = (call: CallContext, ms: number): { ms: number; signal: AbortSignal } => ({
  ms: Math.max(0, Math.min(ms, call.deadlineMs - Date.now() - ANSWER_MS)),
  signal: call.signal,
})

/** `Prefer: wait=<seconds>` (RFC 7240, 4.3), at most five seconds; 0 without one. */
export function preferredWaitMs({ prefer }: CallContext): number {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,4})"?(?:$|[,;\s])/i.exec(prefer ?? '')?.[1]
  return Math.min(Number(seconds ?? 0), 5) * 1_000
}

/** The hash that tells two requests with one key apart. */
export const hashOf = <S extends DescMessage>(call: CallContext, schema: S, request: MessageShape<S>): Buffer =>
  requestHash(call.method, toBinary(schema, request))

/** The caller's Idempotency-Key, when there is one. */
export const keyOf = ({ idempotencyKey }: CallContext): string | undefined => readIdempotencyKey(idempotencyKey)

/** How a method's answers are remembered, when the caller gave a key. */
export function rememberedAs<S extends DescMessage>(
  call: CallContext,
  userId: string,
  schema: S,
  request: MessageShape<S>,
  options: { ttlMs: number | null; now: Date },
): IdempotencyKey | undefined {
  const key = keyOf(call)
  return key === undefined
    ? undefined
    : { scope: call.method, userId, key, requestHash: hashOf(call, schema, request), ...options }
}

/** Remembered for a day: everything that moves no money. */
export const ONE_DAY_MS = 24 * 60 * 60_000

export function checkText(field: string, text: string | undefined, most: number): void {
  if (text !== undefined && [...text].length > most) throw invalidField(field, `has more than ${most} characters`)
}
