import { asDomainError, rootCause } from '@bitka/store'
import { FencedError, ForbiddenTopicError } from '../port.ts'

/** Turns what the log's functions raise into the port's errors, and a lost connection into `unavailable`. */
export function asLogError(error: unknown): unknown {
  const root = rootCause(error)
  if (root instanceof Error && 'code' in root) {
    if (root.code === 'BK001') return new FencedError(root.message, { cause: error })
    if (root.code === '42501') return new ForbiddenTopicError(root.message, { cause: error })
  }
  return asDomainError(error)
}
