import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type SvidFiles, startDevCa, svidFiles } from '@bitka/dev-ca'
import type { Logger } from '@bitka/kernel'
import { infrastructure } from '../table/index.ts'
import { isRoot } from './home.ts'

/** Half of it must be below the longest timer that there is, 24.8 days. */
const TTL_S = 40 * 86_400

/**
 * The certificate that people see, for localhost: of an authority of its own that is kept, and is not the mesh's. Renewed as
 * long as it is not stopped. In production cert-manager or an ACME client stands here.
 */
export async function openPublicTls(home: string, log: Logger): Promise<{ files: SvidFiles; stop(): Promise<void> }> {
  const dir = join(home, 'public-tls')
  const bundleFile = join(dir, 'ca.pem')
  const edgeDir = join(dir, 'edge')
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  const uid = isRoot() ? infrastructure.find(({ name }) => name === 'envoy')?.uid : undefined
  const ca = await startDevCa({
    dir: join(dir, 'ca'),
    trustDomain: 'public.bitka.local',
    services: [{ name: 'edge', dnsNames: ['localhost'], filesDir: edgeDir, uid }],
    bundleFile,
    ttlSeconds: TTL_S,
    log,
  })
  if (isRoot()) chmodSync(dir, 0o711)
  return { files: { ...svidFiles(edgeDir), caFile: bundleFile }, stop: () => ca.stop() }
}
