/** Envoy's own answers, in the words and the envelope of the public contract (rest-api.md). */

type Reply = {
  status: number
  as?: number
  code: string
  message: string
  headers?: Record<string, string>
  instance?: string
}

const replies: readonly Reply[] = [
  { status: 400, code: 'INVALID_INPUT', message: 'This is not a valid HTTP request.' },
  { status: 403, code: 'FORBIDDEN', message: 'This is not allowed from where you are.' },
  { status: 404, code: 'NOT_FOUND', message: 'There is nothing at this address.' },
  {
    status: 408,
    code: 'INVALID_INPUT',
    message: 'The request did not arrive in time.',
    headers: { Connection: 'close' },
  },
  {
    status: 413,
    code: 'PAYLOAD_TOO_LARGE',
    message: 'The request body is larger than 65536 bytes.',
    headers: { Connection: 'close' },
  },
  { status: 426, as: 400, code: 'INVALID_INPUT', message: 'This version of HTTP is not spoken here.' },
  {
    status: 429,
    code: 'RATE_LIMITED',
    message: 'Too many requests. Try again later.',
    headers: { 'Retry-After': '1' },
  },
  { status: 431, code: 'INVALID_INPUT', message: 'The head of the request is too large.' },
  { status: 500, code: 'INTERNAL_SERVER_ERROR', message: 'Something went wrong on our side.' },
  {
    status: 502,
    as: 503,
    code: 'UNAVAILABLE',
    message: 'The exchange cannot be reached right now. Try again.',
    headers: { 'Retry-After': '1' },
  },
  {
    status: 503,
    code: 'UNAVAILABLE',
    message: 'The exchange cannot be reached right now. Try again.',
    headers: { 'Retry-After': '1' },
  },
  {
    status: 504,
    code: 'DEADLINE_EXCEEDED',
    message: 'The exchange did not answer in time. Ask for the state before trying again.',
  },
]

/** What every answer carries; the gateway sets the same on its own. */
const common: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Content-Security-Policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
  'Cross-Origin-Resource-Policy': 'same-site',
  'Cache-Control': 'no-store',
  'X-Request-Id': '%REQ(X-REQUEST-ID)%',
}

const header = ([key, value]: [string, string]): object => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
})

const hasStatus = (status: number): object => ({
  status_code_filter: {
    comparison: { op: 'EQ', value: { default_value: status, runtime_key: `bitka.local_reply.${status}` } },
  },
})

const mapper = ({ status, as, code, message, headers = {}, instance = '%PATH(NQ:ORIG_OR_PATH)%' }: Reply): object => ({
  filter: hasStatus(status),
  ...(as !== undefined && { status_code: as }),
  headers_to_add: Object.entries({ ...common, ...headers }).map(header),
  body_format_override: {
    content_type: 'application/json; charset=utf-8',
    json_format: {
      success: false,
      error: { code, message, instance },
      // The header of this same answer.
      meta: { request_id: '%RESP(X-REQUEST-ID)%' },
    },
  },
})

/** What was refused before it was read as a request has no id yet, or one that nobody has looked at: it gets a new one. */
const withoutId: object = {
  header_filter: {
    header: {
      name: 'x-request-id',
      string_match: { safe_regex: { regex: '[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}' } },
      treat_missing_header_as_empty: true,
      invert_match: true,
    },
  },
}

const unreadMapper = (reply: Reply): object => ({
  ...mapper({ ...reply, headers: { ...reply.headers, 'X-Request-Id': '%UNIQUE_ID%' }, instance: '' }),
  filter: { and_filter: { filters: [hasStatus(reply.status), withoutId] } },
})

/** local_reply_config of a listener for people. */
export const localReplies: object = { mappers: [...replies.map(unreadMapper), ...replies.map(mapper)] }
