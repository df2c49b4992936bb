import { resolve } from 'node:path'
import { ConfigError, loadConfig } from '@bitka/kernel'
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
  /** How long SVIDs live, in seconds. */
  BITKA_SVID_TTL_S: z.coerce.number().int().min(4).default(3600),
})

export type EmbeddedConfig = Omit<z.infer<typeof embeddedSchema>, 'BITKA_DATA_DIR'> & { dataDir: string }

/** Names that look like ours but that nobody reads are mistakes: a misspelt variable must not be silently ignored. */
const ALSO_READ = ['BITKA_CRASH_POINT']

/** @throws ConfigError naming the variable */
export function readConfig(env: Readonly<Record<string, string | undefined>>): EmbeddedConfig {
  const own = Object.fromEntries(
    Object.entries(env).filter(([name]) => !ALSO_READ.some((also) => name.startsWith(also))),
  )
  const { BITKA_DATA_DIR, ...rest } = loadConfig(embeddedSchema, own, { prefix: 'BITKA_' })
  if (rest.BITKA_PROFILE !== 'demo' && rest.BITKA_RATE_LIMIT_SCALE === 0) {
    throw new ConfigError('bad configuration: BITKA_RATE_LIMIT_SCALE: 0 is for profile demo only')
  }
  return { ...rest, dataDir: resolve(BITKA_DATA_DIR) }
}
