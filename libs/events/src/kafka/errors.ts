import { DomainError } from '@bitka/kernel'
import { FencedError, ForbiddenTopicError } from '../port.ts'

const FENCED = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TXN_STATE',
])
const FORBIDDEN = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
])

/** kafkajs wraps what happened in "retries exceeded" and the like. */
function* chain(error: unknown): Generator<Error & { type?: unknown }> {
  for (let depth = 0, each = error; depth < 10 && each instanceof Error; depth += 1, each = each.cause) yield each
}

/** The port's error for what kafkajs threw; what it is not known for stays as it is. */
export function asLogError(error: unknown): unknown {
  if (error instanceof DomainError || error instanceof FencedError || error instanceof ForbiddenTopicError) return error
  for (const { type, message } of chain(error)) {
    if (typeof type !== 'string') continue
    // 90 is PRODUCER_FENCED, which brokers say beside INVALID_PRODUCER_EPOCH and kafkajs does not know.
    if (FENCED.has(type) || message === 'Unknown error code 90') return new FencedError(message, { cause: error })
    if (FORBIDDEN.has(type) || type === 'UNKNOWN_TOPIC_OR_PARTITION')
      return new ForbiddenTopicError(message, { cause: error })
  }
  for (const { name } of chain(error)) {
    // Everything else that kafkajs reports is a broker or a connection that is away.
    if (name.startsWith('KafkaJS')) {
      return new DomainError('unavailable', 'The event log is not available. Try again shortly.', {}, { cause: error })
    }
  }
  return error
}
