import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isUuid, newId } from '@bitka/kernel'

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** The names under which a request can be found in every log. */
export type RequestIds = { requestId: string; traceparent: string }

/** A caller's own request id is kept when it is a UUID, and a trace when it is one (W3C Trace Context). */
export function requestIds(headers: IncomingHttpHeaders): RequestIds {
  const { 'x-request-id': sentId, traceparent } = headers
  const random = randomBytes(24).toString('hex')
  return {
    requestId: typeof sentId === 'string' && isUuid(sentId) ? sentId : newId(),
    traceparent:
      typeof traceparent === 'string' && TRACEPARENT.test(traceparent)
        ? traceparent
        : `00-${random.slice(0, 32)}-${random.slice(32)}-00`,
  }
}
