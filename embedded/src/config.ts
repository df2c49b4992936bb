import { resolve } from 'node:path'
import { boundVariables } from '@bitka/gateway'
import { ConfigError, loadConfig } from '@bitka/kernel'
import { tracingShape } from '@bitka/service'
import { z } from 'zod'

/** What `make up` reads from the environment. */
export const embeddedSchema = z.object({
  /** Where everything is kept. */
  BITKA_DATA_DIR: z.string().min(1).default('.bitka'),
  /** The port of the public API on 127.0.0.1; 0 takes a free one. */
  BITKA_HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  /** The address to bind; other than loopback needs BITKA_DEMO_PUBLIC=yes. */
  BITKA_HTTP_HOST: z.string().default('127.0.0.1'),
  /** Allows a public address without TLS or in profile demo. */
  BITKA_DEMO_PUBLIC: z.enum(['yes', 'no']).optional(),
  /** The first operator's mail address. */
  BITKA_OPERATOR_EMAIL: z.email().default('operator@bitka.local'),
  /** The first operator's password; without it a random one is made and printed once. */
  BITKA_OPERATOR_PASSWORD: z.string().min(12, 'must have at least 12 characters').max(128).optional(),
  /** demo or production. */
  BITKA_PROFILE: z.enum(['demo', 'production']).default('demo'),
  /** Multiplies every rate limit; 0 turns them off (profile demo only). */
  BITKA_RATE_LIMIT_SCALE: z.coerce.number().min(0).max(1_000_000).default(1),
  /** one: all services in this process; each: one process a service, restarted when it dies. */
  BITKA_PROCESSES: z.enum(['one', 'each']).default('one'),
  /** What the services log, into BITKA_DATA_DIR/log. */
  BITKA_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** false: market data needs a token too. */
  BITKA_PUBLIC_MARKETDATA: z.enum(['true', 'false']).optional(),
  /** Origins that browsers may call from, comma-separated. */
  BITKA_CORS_ORIGINS: z.string().optional(),
  /** The port of the gateway's metrics on 127.0.0.1; unset: none. */
  BITKA_METRICS_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  /** Where spans go, and of how many traces: see libs/service/src/tracing.ts. */
  ...tracingShape,
  /** How long SVIDs live, in seconds. */
  BITKA_SVID_TTL_S: z.coerce.number().int().min(4).default(3600),
})

export type EmbeddedConfig = Omit<z.infer<typeof embeddedSchema>, 'BITKA_DATA_DIR'> & {
  dataDir: string
  /** Variables of single services, such as BITKA_MATCHING_SNAPSHOT_EVERY or BITKA_LIMIT_USER_PER_MINUTE: handed on, and checked by the service. */
  serviceVariables: Readonly<Record<string, string>>
}

const HANDED_ON = /^BITKA_(AUTH|LEDGER|MAIL|MARKET_DATA|MATCHING|OPERATOR2|ORDER)_/
const isHandedOn = (name: string): boolean => HANDED_ON.test(name) || boundVariables.includes(name)
/** Read elsewhere: by the crash points of tests, and by the commands of `./bitka`. */
const ALSO_READ = /^BITKA_(CRASH_POINT|URL$)/

/** @throws ConfigError naming the variable: a misspelt one must not be silently ignored */
export function readConfig(env: Readonly<Record<string, string | undefined>>): EmbeddedConfig {
  const own: Record<string, string | undefined> = {}
  const serviceVariables: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (ALSO_READ.test(name) || value === undefined) continue
    if (isHandedOn(name)) serviceVariables[name] = value
    else own[name] = value
  }
  const { BITKA_DATA_DIR, ...rest } = loadConfig(embeddedSchema, own, { prefix: 'BITKA_' })
  if (rest.BITKA_PROFILE !== 'demo' && rest.BITKA_RATE_LIMIT_SCALE === 0) {
    throw new ConfigError('bad configuration: BITKA_RATE_LIMIT_SCALE: 0 is for profile demo only')
  }
  return { ...rest, serviceVariables, dataDir: resolve(BITKA_DATA_DIR) }
}
