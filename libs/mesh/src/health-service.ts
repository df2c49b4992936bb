import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from '@bitka/proto/grpc/health/v1/health_pb'
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { HealthState } from './health.ts'
import type { CountRefusal } from './metrics.ts'
import { PeerError } from './peer.ts'
import { peerOf } from './server-call.ts'

type Answer = Pick<HealthCheckResponse, 'status'>
type Refusal = { code: status; details: string }
type CheckCall = ServerUnaryCall<HealthCheckRequest, Answer>
type WatchCall = ServerWritableStream<HealthCheckRequest, Answer>

/**
 * grpc.health.v1, for any identity of the trust domain and without a policy: a probe has no other rights. It is neither logged
 * nor counted, since probes would drown the rest. Watches end when `ending` fires.
 */
export function healthHandlers(
  state: HealthState,
  services: ReadonlySet<string>,
  trustDomain: () => string,
  ending: AbortSignal,
  refused: CountRefusal,
): UntypedServiceImplementation {
  const statusOf = (service: string): Status | undefined => {
    if (service !== '' && !services.has(service)) return undefined
    return state.serving ? Status.SERVING : Status.NOT_SERVING
  }
  return {
    check(call: CheckCall, callback: (error: Refusal | null, answer?: Answer) => void) {
      const refusal = refuse(call, trustDomain(), refused)
      const found = statusOf(call.request.service)
      if (refusal) callback(refusal)
      else if (found === undefined) callback({ code: status.NOT_FOUND, details: 'unknown service' })
      else callback(null, { status: found })
    },
    watch(call: WatchCall) {
      const refusal = refuse(call, trustDomain(), refused)
      if (refusal) {
        call.emit('error', refusal)
        return
      }
      const send = () => call.write({ status: statusOf(call.request.service) ?? Status.SERVICE_UNKNOWN })
      const end = () => {
        release()
        ending.removeEventListener('abort', end)
        call.end()
      }
      const release = state.onChange(send)
      call.once('cancelled', end)
      ending.addEventListener('abort', end, { once: true })
      send()
      if (ending.aborted) end()
    },
  }
}

function refuse(call: CheckCall | WatchCall, trustDomain: string, refused: CountRefusal): Refusal | undefined {
  try {
    peerOf(call, trustDomain)
    return undefined
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    refused(error.reason)
    return { code: status.PERMISSION_DENIED, details: 'no usable identity' }
  }
}
