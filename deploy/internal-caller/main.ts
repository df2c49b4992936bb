import { createLogger, loadConfig } from '@bitka/kernel'
import { WorkloadIdentity } from '@bitka/mesh'
import { z } from 'zod'
import { read } from './caller.ts'

const READY_MS = 30_000

const schema = z.object({
  SPIFFE_ENDPOINT_SOCKET: z.string().min(1),
  BITKA_TRUST_DOMAIN: z.string().default('bitka.local'),
  /** The mesh listener of the exchange. */
  BITKA_MESH_URL: z.url().default('https://localhost:8444'),
})

/** A program of the mesh that is not part of the deployment: prints the markets of the exchange. docs/internal-callers.md */
async function main(): Promise<number> {
  const config = loadConfig(schema, process.env)
  const log = createLogger('internal-caller', { level: 'warn' })
  const identity = WorkloadIdentity.connect({ socketPath: config.SPIFFE_ENDPOINT_SOCKET, log })
  try {
    await identity.ready({ timeoutMs: READY_MS })
    const { status, body } = await read('/v1/marketdata/symbols', {
      url: config.BITKA_MESH_URL,
      trustDomain: config.BITKA_TRUST_DOMAIN,
      identity: () => identity.current(),
    })
    console.log(JSON.stringify({ caller: identity.current().spiffeId, status, body }))
    return status === 200 ? 0 : 1
  } finally {
    identity.close()
  }
}

process.exitCode = await main()
