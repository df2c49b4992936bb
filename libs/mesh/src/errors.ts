import { DomainError, type ErrorDetails, type ErrorKind, errorKinds, type Logger, newId } from '@bitka/kernel'
import { ErrorInfoSchema } from '@bitka/proto/google/rpc/error_details_pb'
import { StatusSchema } from '@bitka/proto/google/rpc/status_pb'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt'
import { Metadata, type StatusObject, status } from '@grpc/grpc-js'

const DETAILS_KEY = 'grpc-status-details-bin'
const DOMAIN = 'bitka'
/** Details travel in a trailer, whose size HTTP/2 peers limit to some 16 kB. */
const DETAIL_COUNT_MAX = 24
const DETAIL_LENGTH_MAX = 256
const MESSAGE_LENGTH_MAX = 1024

/** A caller that goes away is no error of anybody; it has no kind, only a name in logs and metrics. */
export type Outcome = 'ok' | 'cancelled' | ErrorKind

/** Outcomes that are a fault of ours: a refusal is an answer like any other. */
export const failures: ReadonlySet<Outcome> = new Set<Outcome>(['unavailable', 'deadline_exceeded', 'internal'])

const codeByKind: Record<ErrorKind, status> = {
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  mfa_required: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  conflict: status.ALREADY_EXISTS,
  insufficient_funds: status.FAILED_PRECONDITION,
  rate_limited: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  internal: status.INTERNAL,
}

/** For a status without our details: from gRPC itself, or from a server that is not ours. */
const kindByCode: Partial<Record<status, ErrorKind>> = {
  [status.INVALID_ARGUMENT]: 'invalid',
  [status.OUT_OF_RANGE]: 'invalid',
  [status.UNAUTHENTICATED]: 'unauthenticated',
  [status.PERMISSION_DENIED]: 'forbidden',
  [status.NOT_FOUND]: 'not_found',
  [status.ALREADY_EXISTS]: 'conflict',
  [status.ABORTED]: 'conflict',
  [status.FAILED_PRECONDITION]: 'conflict',
  [status.RESOURCE_EXHAUSTED]: 'rate_limited',
  [status.UNAVAILABLE]: 'unavailable',
  [status.CANCELLED]: 'unavailable',
  [status.DEADLINE_EXCEEDED]: 'deadline_exceeded',
}

/** What people read when gRPC itself refused: its own texts name hosts and ports. */
const plainMessage: Partial<Record<ErrorKind, string>> = {
  unavailable: 'A needed service cannot be reached.',
  deadline_exceeded: 'The request took too long; its outcome is not known.',
  internal: 'Something went wrong on our side.',
}

/**
 * The one place where an error meets the wire. What is no DomainError is our bug: it goes out as INTERNAL with an id, and the
 * id and the whole cause go to the log.
 */
export function toDomainError(error: unknown, log: Logger): DomainError {
  if (error instanceof DomainError && error.kind !== 'internal') return error
  // An internal error of a service behind us has its id already: one failure, one id.
  if (error instanceof DomainError && error.details.error_id !== undefined) {
    log.error({ err: error, error_id: error.details.error_id }, 'a call behind this one failed')
    return error
  }
  const errorId = newId()
  log.error({ err: error, error_id: errorId }, 'unexpected error')
  return new DomainError('internal', 'Something went wrong on our side.', { error_id: errorId }, { cause: error })
}

/** google.rpc.Status with an ErrorInfo, as every gRPC client knows it. */
export function toStatus(error: DomainError): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const code = codeByKind[error.kind]
  const message = error.message.slice(0, MESSAGE_LENGTH_MAX)
  const facts = Object.entries(error.details).slice(0, DETAIL_COUNT_MAX)
  const info = create(ErrorInfoSchema, {
    reason: error.kind.toUpperCase(),
    domain: DOMAIN,
    metadata: Object.fromEntries(facts.map(([name, text]) => [name, text.slice(0, DETAIL_LENGTH_MAX)])),
  })
  const rich = create(StatusSchema, { code, message, details: [anyPack(ErrorInfoSchema, info)] })
  const metadata = new Metadata()
  metadata.set(DETAILS_KEY, Buffer.from(toBinary(StatusSchema, rich)))
  return { code, details: message, metadata }
}

type WireError = { code: status; details: string; metadata: Metadata }

const isWireError = (error: unknown): error is WireError =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' && 'metadata' in error

/** What the client throws for whatever a call failed with. */
export function fromWire(error: unknown): DomainError {
  if (error instanceof DomainError) return error
  if (!isWireError(error)) return new DomainError('internal', 'Something went wrong on our side.', {}, { cause: error })
  const rich = richError(error)
  if (rich) return new DomainError(rich.kind, rich.message, rich.details, { cause: error })
  // "Waiting for LB pick": there never was a connection, so the call certainly was not executed.
  const unsent = error.code === status.DEADLINE_EXCEEDED && error.details.includes('Waiting for LB pick')
  const kind = unsent ? 'unavailable' : (kindByCode[error.code] ?? 'internal')
  return new DomainError(kind, plainMessage[kind] ?? error.details, {}, { cause: error })
}

function richError(error: WireError): { kind: ErrorKind; message: string; details: ErrorDetails } | undefined {
  const [bytes] = error.metadata.get(DETAILS_KEY)
  if (!Buffer.isBuffer(bytes)) return undefined
  try {
    const rich = fromBinary(StatusSchema, bytes)
    for (const detail of rich.details) {
      const info = anyUnpack(detail, ErrorInfoSchema)
      const kind = errorKinds.find((known) => known.toUpperCase() === info?.reason)
      if (info?.domain === DOMAIN && kind) return { kind, message: rich.message, details: info.metadata }
    }
  } catch {
    // Details that cannot be read are not ours; the code still says what happened.
  }
  return undefined
}
