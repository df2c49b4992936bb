/** Every workload that has an identity in the mesh. */
export const serviceNames = [
  'auth',
  'user',
  'ledger',
  'order',
  'matching',
  'market-data',
  'notification',
  'audit',
  'gateway',
] as const
export type ServiceName = (typeof serviceNames)[number]

/** The SPIFFE ID of a service, or of a workload beside them such as envoy or kafka. */
export const spiffeId = (trustDomain: string, name: ServiceName | (string & {})): string =>
  `spiffe://${trustDomain}/ns/bitka/sa/${name}`

const SPIFFE_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/
const SERVICE_PATH = /^\/ns\/bitka\/sa\/([a-z-]+)$/

/** What a SPIFFE ID says; `service` only where the path names one of ours. */
export type ParsedSpiffeId = { id: string; trustDomain: string; path: string; service?: ServiceName }

/** Undefined for anything that is not a well-formed SPIFFE ID of a workload. */
export function parseSpiffeId(id: string): ParsedSpiffeId | undefined {
  const [, trustDomain, path] = SPIFFE_ID.exec(id) ?? []
  if (trustDomain === undefined || path === undefined) return undefined
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) return undefined
  const name = SERVICE_PATH.exec(path)?.[1]
  return { id, trustDomain, path, service: serviceNames.find((known) => known === name) }
}
