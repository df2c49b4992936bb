import { type ServiceName, serviceNames } from '@bitka/mesh'
import { z } from 'zod'
import { tracingShape } from './tracing.ts'

/** A port; 0 lets the system choose. */
export const port = z.coerce.number().int().min(0).max(65_535)

export type Peers = Partial<Record<ServiceName, string>>

/** Reads "auth=localhost:7010,user=localhost:7020"; undefined when it is not such a list. */
export function parsePeers(text: string): Peers | undefined {
  const peers: Peers = {}
  for (const entry of text.split(',').filter(Boolean)) {
    const [name, target] = entry.split('=')
    const known = serviceNames.find((candidate) => candidate === name)
    if (known === undefined || !target) return undefined
    peers[known] = target
  }
  return peers
}

const peers = z
  .string()
  .default('')
  .transform((text, context): Peers => {
    const parsed = parsePeers(text)
    if (parsed === undefined) context.addIssue('must be a list of service=host:port')
    return parsed ?? {}
  })

/** What every service reads from its environment. A service adds its own variables to this shape. */
export const baseShape = {
  /** demo or production; decides second factors, address lists and four-eyes. */
  BITKA_PROFILE: z.enum(['demo', 'production']).default('production'),
  /** fatal, error, warn, info, debug, trace or silent. */
  BITKA_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** The database, as the role that owns nothing. */
  BITKA_DB_URL: z.string().min(1),
  /** The database, as the owner of the schema. When set, migrations run at start; else a Job has run them. */
  BITKA_DB_OWNER_URL: z.string().min(1).optional(),
  /** Connections in the pool. */
  BITKA_DB_POOL_SIZE: z.coerce.number().int().min(1).max(200).default(8),
  /** What stands behind the EventLog port. */
  BITKA_EVENT_LOG: z.enum(['postgres', 'kafka']).default('postgres'),
  /** Kafka: a comma-separated list of brokers. */
  BITKA_KAFKA_BROKERS: z.string().optional(),
  /** The SPIFFE Workload API: a path, or unix:path. */
  SPIFFE_ENDPOINT_SOCKET: z.string().min(1),
  /** The trust domain of the mesh. */
  BITKA_TRUST_DOMAIN: z.string().default('bitka.local'),
  /** Where the service listens. */
  BITKA_RPC_HOST: z.string().default('localhost'),
  /** The port the service listens on. */
  BITKA_RPC_PORT: port.default(0),
  /** Where Prometheus reads, on loopback unless BITKA_METRICS_HOST says otherwise; unset: no metrics port. */
  BITKA_METRICS_PORT: port.optional(),
  /** The address of the metrics port. */
  BITKA_METRICS_HOST: z.string().default('127.0.0.1'),
  ...tracingShape,
  /** Where the other services are: "auth=localhost:7010,user=dns:///user:7020,order=127.0.0.1:7040|127.0.0.1:7041". */
  BITKA_PEERS: peers,
} as const

export type BaseConfig = z.infer<z.ZodObject<typeof baseShape>>
export type Profile = BaseConfig['BITKA_PROFILE']
