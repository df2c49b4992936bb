import { setTimeout as pause } from 'node:timers/promises'
import { describePlan, type KafkaPlan, syncKafkaTopics } from '@bitka/events'
import { ConfigError, createLogger, type Logger, loadConfig } from '@bitka/kernel'
import { spiffeId, WorkloadIdentity } from '@bitka/mesh'
import { brokerCheck } from '@bitka/service'
import { z } from 'zod'
import { principalOf } from './server-properties.ts'

/** What kafka-admin reads from its environment. */
const schema = z.object({
  /** A comma-separated list of brokers. */
  BITKA_KAFKA_BROKERS: z.string().min(1),
  /** Copies of every topic. With three, two have a record before it is acknowledged. */
  BITKA_KAFKA_REPLICATION: z.coerce.number().int().min(1).max(9).default(1),
  /** The SPIFFE Workload API: a path, or unix:path. */
  SPIFFE_ENDPOINT_SOCKET: z.string().min(1),
  /** The trust domain of the mesh. */
  BITKA_TRUST_DOMAIN: z.string().default('bitka.local'),
  /** How long to wait for the brokers, seconds. */
  BITKA_KAFKA_WAIT_S: z.coerce.number().int().min(1).max(86_400).default(300),
  /** fatal, error, warn, info, debug, trace or silent. */
  BITKA_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('warn'),
})

const RETRY_MS = 1_000

/**
 * Makes topics and access rules on the brokers as the table of topics says, removes rules that it does not know, and prints
 * what it did; with --dry-run what it would do. Run again whenever the table has changed.
 */
async function main(): Promise<void> {
  const args = process.argv.slice(2)
  if (args.some((arg) => arg !== '--dry-run')) throw new ConfigError('usage: kafka-admin [--dry-run]')
  const dryRun = args.includes('--dry-run')
  const config = loadConfig(schema, process.env, { prefix: 'BITKA_' })
  const trustDomain = config.BITKA_TRUST_DOMAIN
  const log = createLogger('kafka-admin', { level: config.BITKA_LOG_LEVEL })
  const identity = WorkloadIdentity.connect({ socketPath: config.SPIFFE_ENDPOINT_SOCKET, log })
  try {
    await identity.ready()
    const { spiffeId: own } = identity.current()
    if (own !== spiffeId(trustDomain, 'kafka-admin')) throw new ConfigError(`${own} is not kafka-admin`)
    const plan = await untilDone(log, config.BITKA_KAFKA_WAIT_S * 1_000, () =>
      syncKafkaTopics({
        brokers: config.BITKA_KAFKA_BROKERS.split(','),
        service: 'kafka-admin',
        logger: log,
        replicationFactor: config.BITKA_KAFKA_REPLICATION,
        principal: (service) => principalOf(trustDomain, service),
        dryRun,
        tls: () => {
          const { privateKeyPem: key, certificatePem: cert, bundlePem: ca } = identity.current()
          return { key, cert, ca, checkServerIdentity: brokerCheck(trustDomain) }
        },
      }),
    )
    print(plan, dryRun)
  } finally {
    await identity.close()
  }
}

/** Brokers may start after us, and may be away for a moment. What they refuse shows in the last error. */
async function untilDone(log: Logger, waitMs: number, run: () => Promise<KafkaPlan>): Promise<KafkaPlan> {
  const deadlineMs = performance.now() + waitMs
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      log.warn({ err: error }, 'waiting for Kafka')
      await pause(RETRY_MS)
    }
  }
}

function print(plan: KafkaPlan, dryRun: boolean): void {
  const lines = describePlan(plan)
  const end = lines.some((line) => !line.startsWith('note: ')) ? `${lines.length} lines` : 'nothing to do'
  process.stdout.write(`${[...lines, dryRun ? `dry run: ${end}` : `done: ${end}`].join('\n')}\n`)
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)
    process.stderr.write(`${text}\n`)
    process.exit(1)
  },
)
