/** The gateway's addresses; all others belong to the page. */
const apiPrefixes = ['/v1/', '/bitka.', '/grpc.', '/.well-known/', '/docs/'] as const
const apiPaths = ['/v1', '/docs', '/openapi.json', '/healthz', '/readyz'] as const

/** What a page may do: load its own files, speak to its own host, and nothing else. */
const PAGE_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

const header = ([key, value]: [string, string]): object => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
})

const pageHeaders = {
  'Content-Security-Policy': PAGE_CSP,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Request-Id': '%REQ(X-REQUEST-ID)%',
}

/**
 * The page's routes, to a server of files that knows nothing of headers: files whose names hold the hash of their content are
 * kept for a year, and addresses of the page's own router (no dot in the last part) are answered with its one document.
 */
export function webRoutes(): object[] {
  const methods = [{ name: ':method', string_match: { safe_regex: { regex: 'GET|HEAD' } } }]
  const route = (match: object, cache: string, rewrite: object = {}): object => ({
    match: { ...match, headers: methods },
    route: { cluster: 'web', timeout: '15s', ...rewrite },
    response_headers_to_add: Object.entries({ ...pageHeaders, 'Cache-Control': cache }).map(header),
  })
  const document = { regex_rewrite: { pattern: { regex: '.*' }, substitution: '/index.html' } }
  return [
    route({ prefix: '/assets/' }, 'public, max-age=31536000, immutable'),
    route({ safe_regex: { regex: '/|.*/[^./]+/?' } }, 'no-cache', document),
    route({ prefix: '/' }, 'no-cache'),
  ]
}

/** Matches for what stays with the gateway where there is a page. */
export const apiMatches = (): object[] => [
  ...apiPrefixes.map((prefix) => ({ prefix })),
  ...apiPaths.map((path) => ({ path })),
]
