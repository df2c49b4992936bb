import type { IncomingHttpHeaders } from 'node:http'
import { isUuid, newId } from '@bitka/kernel'

/** The names under which a request can be found in every log. */
export type RequestIds = { requestId: string; traceparent: string }

/** A caller's own request id is kept when it is a UUID. */
export function requestIdOf({ 'x-request-id': sent }: IncomingHttpHeaders): string {
  return typeof sent === 'string' && isUuid(sent) ? sent : newId()
}

/** The trace that a request says it belongs to (W3C Trace Context); whether it is one is looked at later. */
export const sentTraceparent = ({ traceparent }: IncomingHttpHeaders): string | undefined =>
  typeof traceparent === 'string' ? traceparent : undefined
