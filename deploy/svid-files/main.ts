import { access, constants } from 'node:fs/promises'
import { writeSvidPem, writeWhole } from '@bitka/dev-ca'
import { ConfigError, createLogger, loadConfig } from '@bitka/kernel'
import { type IdentityMaterial, WorkloadIdentity } from '@bitka/mesh'
import { port, serveMetrics } from '@bitka/service'
import { Registry } from 'prom-client'
import { z } from 'zod'

const schema = z.object({
  /** The SPIFFE Workload API: a path, or unix:path. */
  SPIFFE_ENDPOINT_SOCKET: z.string().min(1),
  /** Where svid.pem, key.pem, keystore.pem and bundle.pem go. */
  BITKA_SVID_DIR: z.string().startsWith('/'),
  /** A second file for the roots to trust, for everybody to read. */
  BITKA_BUNDLE_FILE: z.string().startsWith('/').optional(),
  /** fatal, error, warn, info, debug, trace or silent. */
  BITKA_LOG_LEVEL: z.string().default('info'),
  /** Where probes and Prometheus ask; unset: nowhere. */
  BITKA_METRICS_PORT: port.optional(),
  /** The address of that port. */
  BITKA_METRICS_HOST: z.string().default('127.0.0.1'),
})

/** Keeps the identity of a program that cannot speak the Workload API, such as Kafka or PostgreSQL, in files. */
async function main(): Promise<void> {
  const config = loadConfig(schema, process.env)
  const log = createLogger('svid-files', { level: config.BITKA_LOG_LEVEL })
  await access(config.BITKA_SVID_DIR, constants.W_OK).catch(() => {
    throw new ConfigError('bad configuration: BITKA_SVID_DIR: the folder cannot be written')
  })
  const registry = new Registry()
  const identity = WorkloadIdentity.connect({ socketPath: config.SPIFFE_ENDPOINT_SOCKET, log, metrics: registry })

  // One write after the other: two at once could leave the older identity behind.
  let writing = Promise.resolve()
  let writtenNotAfterMs = 0
  const write = (material: IdentityMaterial): void => {
    writing = writing
      .then(async () => {
        await writeSvidPem(config.BITKA_SVID_DIR, material)
        if (config.BITKA_BUNDLE_FILE !== undefined) await writeWhole(config.BITKA_BUNDLE_FILE, material.bundlePem)
        writtenNotAfterMs = material.notAfterMs
        log.info({ spiffeId: material.spiffeId, notAfterMs: material.notAfterMs }, 'identity written')
      })
      .catch((error: unknown) => log.error({ err: error }, 'the identity could not be written'))
  }
  identity.onUpdate(write)
  const endpoint =
    config.BITKA_METRICS_PORT === undefined
      ? undefined
      : await serveMetrics(registry, config.BITKA_METRICS_HOST, config.BITKA_METRICS_PORT, async () => {
          const ok = writtenNotAfterMs > Date.now()
          return { ready: ok, dependencies: [{ name: 'identity', ok, detail: '' }] }
        })
  log.info('waiting for the Workload API')

  const stop = (): void => {
    identity.close()
    void Promise.all([writing, endpoint?.stop()]).then(() => process.exit(0))
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

main().catch((error: unknown) => {
  const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)
  process.stderr.write(`${text}\n`)
  process.exit(1)
})
