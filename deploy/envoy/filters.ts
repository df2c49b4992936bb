import { OPERATOR_PREFIX, operatorRpcPaths } from './operator-methods.ts'
import { type EdgeOptions, type } from './options.ts'

const HTTP = 'envoy.extensions.filters.http'

/** The largest body of a request, and of one that carries a file. */
export const BODY_BYTES_MAX = 65_536
export const UPLOAD_BYTES_MAX = 5 * 1024 * 1024

/** Ids are kept when they are UUIDs, as the gateway does; anything else gets a new one. */
const REQUEST_ID_LUA = `
local digits = "%x%x%x%x"
local uuid = "^" .. digits .. digits .. "%-" .. digits .. "%-" .. digits .. "%-" .. digits .. "%-" .. digits .. digits .. digits .. "$"
function envoy_on_request(handle)
  local id = handle:headers():get("x-request-id")
  if id == nil or string.match(id, uuid) then return end
  local fresh = string.gsub("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx", "x", function()
    return string.format("%x", math.random(0, 15))
  end)
  handle:headers():replace("x-request-id", fresh)
end
`

export const requestId = {
  name: 'envoy.filters.http.lua',
  typed_config: { ...type(`${HTTP}.lua.v3.Lua`), default_source_code: { inline_string: REQUEST_ID_LUA } },
}

/** Envoy's check of names is content with one of several; an identity of the mesh has exactly one. */
const ONE_PEER_LUA = `
function envoy_on_request(handle)
  local tls = handle:streamInfo():downstreamSslConnection()
  local names = tls and tls:uriSanPeerCertificate() or {}
  if #names ~= 1 then handle:respond({[":status"] = "403"}, "") end
end
`

/** Refuses a client whose certificate has not exactly one URI. */
export const onePeer = {
  name: 'bitka.one_peer',
  typed_config: { ...type(`${HTTP}.lua.v3.Lua`), default_source_code: { inline_string: ONE_PEER_LUA } },
}

const always = (runtime_key: string): object => ({
  default_value: { numerator: 100, denominator: 'HUNDRED' },
  runtime_key,
})

/** Answers 429 to an address that asks far more than people do. Quotas are the gateway's business. */
export const floodGuard = ({ perSecond, burst }: EdgeOptions['flood']): object => ({
  name: 'envoy.filters.http.local_ratelimit',
  typed_config: {
    ...type(`${HTTP}.local_ratelimit.v3.LocalRateLimit`),
    stat_prefix: 'flood',
    // The whole edge; a guard of last resort for this one process.
    token_bucket: { max_tokens: burst * 50, tokens_per_fill: perSecond * 50, fill_interval: '1s' },
    filter_enabled: always('bitka.flood'),
    filter_enforced: always('bitka.flood.enforced'),
    max_dynamic_descriptors: 100_000,
    rate_limits: [{ actions: [{ remote_address: {} }] }],
    descriptors: [
      {
        entries: [{ key: 'remote_address' }],
        token_bucket: { max_tokens: burst, tokens_per_fill: perSecond, fill_interval: '1s' },
      },
    ],
  },
})

export const bodyLimit = {
  name: 'envoy.filters.http.buffer',
  typed_config: { ...type(`${HTTP}.buffer.v3.Buffer`), max_request_bytes: BODY_BYTES_MAX },
}

/** For routes whose bodies flow: gRPC, WebSocket, uploads. */
export const noBodyLimit = {
  typed_per_filter_config: {
    'envoy.filters.http.buffer': { ...type(`${HTTP}.buffer.v3.BufferPerRoute`), disabled: true },
  },
}

export const router = {
  name: 'envoy.filters.http.router',
  typed_config: { ...type(`${HTTP}.router.v3.Router`), suppress_envoy_headers: true },
}

/** A word as it may be written in a path, any letter of it percent-encoded; case is ignored by who uses it. */
const spelt = (word: string): string =>
  [...word].map((letter) => `(${letter}|%${letter.charCodeAt(0).toString(16).replace('6', '[46]')})`).join('')
/** Between two parts of a path, with what a lenient reader would skip. */
const SLASHES = '([/\\\\.]|%2[ef]|%5c)+'

/**
 * Any spelling of an operator's REST path. The gateway answers 404 to what is not plainly spelt; this must not depend on it.
 */
export const operatorPath = (prefix: string): string => {
  const parts = prefix.split('/').filter(Boolean)
  return `(?i)${parts.map((part) => SLASHES + spelt(part)).join('')}([/\\\\;%.].*)?`
}

/** Operators' addresses: in REST, and the same methods in the RPC dialects. */
const operatorPermission = (): object => ({
  or_rules: {
    rules: [
      { url_path: { path: { safe_regex: { regex: operatorPath(OPERATOR_PREFIX) } } } },
      ...operatorRpcPaths().map((exact) => ({ url_path: { path: { exact } } })),
    ],
  },
})

const cidr = (text: string): object => {
  const [address_prefix, length] = text.split('/')
  return { address_prefix, prefix_len: Number(length ?? (text.includes(':') ? 128 : 32)) }
}

/** Refuses operators' addresses to everybody who is not in an operators' network. */
export const operatorGuard = (networks: readonly string[]): object => ({
  name: 'envoy.filters.http.rbac',
  typed_config: {
    ...type(`${HTTP}.rbac.v3.RBAC`),
    rules: {
      action: 'DENY',
      policies: {
        operators: {
          permissions: [operatorPermission()],
          principals:
            networks.length === 0
              ? [{ any: true }]
              : [{ not_id: { or_ids: { ids: networks.map((net) => ({ direct_remote_ip: cidr(net) })) } } }],
        },
      },
    },
  },
})
