import { stageRoot, startDevCa } from '@bitka/dev-ca'
import { ConfigError, createLogger, loadConfig } from '@bitka/kernel'
import { port, serveMetrics } from '@bitka/service'
import { Gauge, Registry } from 'prom-client'
import { z } from 'zod'
import { bundleFile, nativeWorkloads } from './workloads.ts'

/** What the identity process reads from its environment. */
const schema = z.object({
  /** Where the root is kept, and the sockets and files below it. */
  BITKA_IDENTITY_DIR: z.string().startsWith('/'),
  /** The trust domain of the mesh. */
  BITKA_TRUST_DOMAIN: z.string().default('bitka.local'),
  /** How long a certificate lives, seconds; it is replaced at half of that. */
  BITKA_SVID_TTL_S: z.coerce.number().int().min(2).max(86_400).default(3600),
  /** How long a new root is known before it signs, ms. */
  BITKA_CA_OVERLAP_MS: z.coerce.number().int().min(0).max(3_600_000).default(5_000),
  /** yes: sockets and files belong to the accounts of the service table. Needs root. */
  BITKA_IDENTITY_ACCOUNTS: z.enum(['yes', 'no']).default('no'),
  /** fatal, error, warn, info, debug, trace or silent. */
  BITKA_LOG_LEVEL: z.string().default('info'),
  /** Where Prometheus reads, on loopback; unset: no metrics. */
  BITKA_METRICS_PORT: port.optional(),
})

/**
 * The development CA as a process of its own: the SPIFFE Workload API on one socket a workload, and files for programs that
 * cannot speak it. SIGHUP changes the root, with an overlap; with the argument --stage-root it ends at once and has given a CA
 * that does not run a new root for its next start. SPIRE stands here in production.
 */
async function main(): Promise<void> {
  const config = loadConfig(schema, process.env, { prefix: 'BITKA_' })
  const log = createLogger('identity', { level: config.BITKA_LOG_LEVEL })
  const dir = config.BITKA_IDENTITY_DIR
  if (process.argv.includes('--stage-root')) {
    await stageRoot(dir, config.BITKA_TRUST_DOMAIN)
    return
  }
  const ca = await startDevCa({
    dir,
    trustDomain: config.BITKA_TRUST_DOMAIN,
    services: nativeWorkloads(dir, config.BITKA_IDENTITY_ACCOUNTS === 'yes'),
    bundleFile: bundleFile(dir),
    ttlSeconds: config.BITKA_SVID_TTL_S,
    log,
  })
  const metrics = new Registry()
  metrics.setDefaultLabels({ service: 'identity' })
  const rotations = new Gauge({
    name: 'bitka_identity_root_changes',
    help: 'Changes of the root since the start',
    registers: [metrics],
  })
  const endpoint =
    config.BITKA_METRICS_PORT === undefined
      ? undefined
      : await serveMetrics(metrics, '127.0.0.1', config.BITKA_METRICS_PORT)
  process.on('SIGHUP', () => {
    ca.rotateCa(config.BITKA_CA_OVERLAP_MS).then(
      () => {
        rotations.inc()
        log.info('the root was changed')
      },
      (error: unknown) => log.error({ err: error }, 'the root could not be changed'),
    )
  })
  const stop = (): void => {
    void Promise.all([ca.stop(), endpoint?.stop()]).then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  if (process.connected) process.once('disconnect', stop)
}

main().catch((error: unknown) => {
  const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)
  process.stderr.write(`${text}\n`)
  process.exit(1)
})
