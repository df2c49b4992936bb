/** The closed set of refusals. Each maps to one gRPC status (libs/mesh) and one REST code (gateway). */
export const errorKinds = [
  'invalid',
  'unauthenticated',
  'mfa_required',
  'forbidden',
  'not_found',
  'conflict',
  'insufficient_funds',
  'rate_limited',
  'unavailable',
  'deadline_exceeded',
  'internal',
] as const
export type ErrorKind = (typeof errorKinds)[number]

/** Field path → reason, shown to the caller as `error.details`. */
export type ErrorDetails = Readonly<Record<string, string>>

/**
 * A refusal the caller can act on: the kind is for code, the message is a plain sentence for people, the details name
 * the fields at fault, and the cause is for the log only.
 */
export class DomainError extends Error {
  override name = 'DomainError'
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly details: ErrorDetails = {},
    options: { cause?: unknown } = {},
  ) {
    super(message, options)
  }
}

/** INVALID_INPUT for one field. */
export const invalidField = (field: string, reason: string): DomainError =>
  new DomainError('invalid', `The field ${field} ${reason}.`, { [field]: reason })

/** For our own mistakes, never for a caller's: what is asserted cannot happen unless the code is wrong. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}
