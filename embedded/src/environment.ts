import { join } from 'node:path'
import type { ServiceName } from '@bitka/mesh'
import { repositoryFolder, type ServiceEnv } from '@bitka/service'
import type { EmbeddedConfig } from './config.ts'
import type { BackendName, Surroundings } from './platform.ts'
import type { Secrets } from './secrets.ts'

export type Ports = Record<BackendName, number>

/** Each connection is a process of PostgreSQL. On one machine few are enough, but where every order passes. */
const POOL_SIZE = 3
const poolSizes: Partial<Record<BackendName, number>> = { auth: 5, ledger: 8, order: 8, 'market-data': 5 }

/** Who the mails of the embedded exchange come from. */
const MAIL_DOMAIN = 'mail.bitka.local'

/** The environment of each service: the same variables as in every other way of running. */
export function environments(
  config: EmbeddedConfig,
  platform: Surroundings,
  secrets: Secrets,
  ports: Ports,
  operatorPassword: string | undefined,
): Record<ServiceName, ServiceEnv> {
  const peers = Object.entries(ports)
    .map(([name, port]) => `${name}=localhost:${port}`)
    .join(',')
  const seedFile = join(repositoryFolder('embedded/src'), 'seed.json')
  const common = (name: ServiceName): ServiceEnv => ({
    BITKA_PROFILE: config.BITKA_PROFILE,
    BITKA_LOG_LEVEL: config.BITKA_LOG_LEVEL,
    SPIFFE_ENDPOINT_SOCKET: platform.ca.socketPath(name),
    BITKA_TRUST_DOMAIN: platform.ca.trustDomain,
    BITKA_PEERS: peers,
    BITKA_OTLP_ENDPOINT: config.BITKA_OTLP_ENDPOINT,
    BITKA_TRACE_RATIO: String(config.BITKA_TRACE_RATIO),
  })
  const backend = (name: BackendName, own: ServiceEnv = {}): ServiceEnv => ({
    ...common(name),
    BITKA_DB_URL: platform.appUrl(name),
    BITKA_DB_OWNER_URL: platform.ownerUrl(name),
    BITKA_RPC_PORT: String(ports[name]),
    BITKA_DB_POOL_SIZE: String(poolSizes[name] ?? POOL_SIZE),
    ...own,
  })
  return {
    auth: backend('auth', {
      BITKA_AUTH_KEK: secrets.authKek,
      BITKA_OPERATOR_EMAIL: config.BITKA_OPERATOR_EMAIL,
      BITKA_OPERATOR_PASSWORD: operatorPassword,
    }),
    user: backend('user'),
    ledger: backend('ledger', { BITKA_SEED_FILE: seedFile }),
    matching: backend('matching'),
    order: backend('order', { BITKA_SEED_FILE: seedFile }),
    'market-data': backend('market-data'),
    notification: backend('notification', {
      BITKA_MAILGUN_URL: platform.mail.url,
      BITKA_MAILGUN_DOMAIN: MAIL_DOMAIN,
      BITKA_MAILGUN_API_KEY: secrets.mailApiKey,
      BITKA_MAILGUN_SIGNING_KEY: secrets.mailSigningKey,
      BITKA_MAIL_FROM: `BitKa <no-reply@${MAIL_DOMAIN}>`,
    }),
    audit: backend('audit'),
    gateway: {
      ...common('gateway'),
      BITKA_HTTP_HOST: config.BITKA_HTTP_HOST,
      BITKA_HTTP_PORT: String(config.BITKA_HTTP_PORT),
      BITKA_DEMO_PUBLIC: config.BITKA_DEMO_PUBLIC,
      BITKA_RATE_LIMIT_SCALE: String(config.BITKA_RATE_LIMIT_SCALE),
      BITKA_PUBLIC_MARKETDATA: config.BITKA_PUBLIC_MARKETDATA,
      BITKA_CORS_ORIGINS: config.BITKA_CORS_ORIGINS,
      BITKA_METRICS_PORT: config.BITKA_METRICS_PORT === undefined ? undefined : String(config.BITKA_METRICS_PORT),
    },
  }
}
