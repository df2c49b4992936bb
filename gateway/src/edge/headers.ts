import type { IncomingMessage, ServerResponse } from 'node:http'

export type HeaderOptions = { tls: boolean; demo: boolean; corsOrigins: readonly string[] }

/** An API answer is never a page: nothing in it may run, load or be framed. */
const API_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** What /docs needs: its own scripts and styles, openapi.json, and the small images inside its style sheet. */
export const DOCS_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'"

const ALLOW_HEADERS = [
  'authorization',
  'content-type',
  'idempotency-key',
  'prefer',
  'x-request-id',
  'connect-protocol-version',
  'connect-timeout-ms',
  'grpc-timeout',
  'x-grpc-web',
  'x-user-agent',
].join(', ')
const EXPOSE_HEADERS = [
  'x-request-id',
  'x-bitka-profile',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'allow',
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
].join(', ')
/** Browsers keep a preflight's answer no longer than two hours. */
const PREFLIGHT_S = '7200'

/** What every answer carries, whatever it answers. */
export function commonHeaders(sentOrigin: string | undefined, options: HeaderOptions): Record<string, string> {
  const origin = allowedOrigin(sentOrigin, options)
  return {
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Content-Security-Policy': API_CSP,
    ...(options.tls && { 'Strict-Transport-Security': 'max-age=31536000; includeSubDomains' }),
    ...(options.demo && { 'X-BitKa-Profile': 'demo' }),
    ...(options.corsOrigins.length > 0 && { Vary: 'Origin' }),
    ...(origin !== undefined && {
      'Access-Control-Allow-Origin': origin,
      'Access-Control-Expose-Headers': EXPOSE_HEADERS,
    }),
    // Pages of another site may read what their own origin was allowed to.
    'Cross-Origin-Resource-Policy': origin === undefined ? 'same-site' : 'cross-origin',
  }
}

const allowedOrigin = (sent: string | undefined, { corsOrigins }: HeaderOptions): string | undefined =>
  corsOrigins.find((origin) => origin === sent)

/** Whether a page of this origin may open a WebSocket: programs, our own pages, and those of the list. */
export function mayConnect(req: IncomingMessage, options: HeaderOptions): boolean {
  const { origin, host } = req.headers
  if (origin === undefined || allowedOrigin(origin, options) !== undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host
}

/** Answers OPTIONS: which verbs an address takes, and to allowed pages that they may use them. */
export function answerOptions(
  req: IncomingMessage,
  res: ServerResponse,
  options: HeaderOptions,
  allow: readonly string[],
): void {
  res.setHeader('Allow', allow.join(', '))
  if (
    allowedOrigin(req.headers.origin, options) !== undefined &&
    req.headers['access-control-request-method'] !== undefined
  ) {
    res.setHeader('Access-Control-Allow-Methods', allow.join(', '))
    res.setHeader('Access-Control-Allow-Headers', ALLOW_HEADERS)
    res.setHeader('Access-Control-Max-Age', PREFLIGHT_S)
  }
  res.writeHead(204).end()
}
