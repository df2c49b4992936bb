import { type } from './options.ts'

const requestId = ['RESP', 'REQ'].map((command) => ({ command, param: 'X-REQUEST-ID' }))

/** One line of JSON a request. Nothing in it is secret: no query, no header but the two ids. */
export const accessLog = (listener: string): object => ({
  name: 'envoy.access_loggers.stdout',
  typed_config: {
    ...type('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'),
    log_format: {
      json_format: {
        time: '%START_TIME%',
        listener,
        method: '%REQ(:METHOD)%',
        // Without the query, which may hold what is nobody's business.
        path: '%PATH(NQ:ORIG_OR_PATH)%',
        protocol: '%PROTOCOL%',
        status: '%RESPONSE_CODE%',
        flags: '%RESPONSE_FLAGS%',
        detail: '%RESPONSE_CODE_DETAILS%',
        bytes_in: '%BYTES_RECEIVED%',
        bytes_out: '%BYTES_SENT%',
        duration_ms: '%DURATION%',
        client_address: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
        peer: '%DOWNSTREAM_PEER_URI_SAN%',
        // As it was answered; what was never answered has what it came with.
        request_id: `%COALESCE(${JSON.stringify({ operators: requestId })})%`,
        trace_parent: '%REQ(TRACEPARENT)%',
        upstream: '%UPSTREAM_HOST%',
      },
    },
  },
})
