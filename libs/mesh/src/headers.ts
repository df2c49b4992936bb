import { newId } from '@bitka/kernel'
import { isTraceparent, newTraceparent } from '@bitka/telemetry'
import type { Metadata } from '@grpc/grpc-js'
import type { EdgeFacts } from './types.ts'

/** The metadata names of the mesh. */
export const headers = {
  authorization: 'authorization',
  requestId: 'x-request-id',
  traceparent: 'traceparent',
  clientAddress: 'x-client-address',
  userAgent: 'x-user-agent',
  idempotencyKey: 'idempotency-key',
  prefer: 'prefer',
} as const

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/
/** Long enough for any browser's name, short enough for a header. */
const VALUE_LENGTH_MAX = 512

/** The first value of a metadata entry. */
export function header(metadata: Metadata, name: string): string | undefined {
  const value = metadata.get(name)[0]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The caller's request id when it is usable, or a new one. */
export function requestIdOf(metadata: Metadata): string {
  const sent = header(metadata, headers.requestId)
  return sent !== undefined && REQUEST_ID.test(sent) ? sent : newId()
}

/** The caller's trace, or a new one, so that every log line of a request can be found. */
export function traceparentOf(metadata: Metadata): string {
  const sent = header(metadata, headers.traceparent)
  return isTraceparent(sent) ? sent : newTraceparent()
}

export const edgeFactsOf = (metadata: Metadata): EdgeFacts => ({
  clientAddress: header(metadata, headers.clientAddress),
  userAgent: header(metadata, headers.userAgent),
  idempotencyKey: header(metadata, headers.idempotencyKey),
  prefer: header(metadata, headers.prefer),
})

/** What a person's client sent may hold anything; metadata may hold printable ASCII only. */
export const headerSafe = (value: string): string => value.slice(0, VALUE_LENGTH_MAX).replace(/[^\x20-\x7e]/g, '?')
