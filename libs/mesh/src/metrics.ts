import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Outcome } from './errors.ts'
import { type RefusalReason, refusalReasons } from './refusals.ts'

/** From half a millisecond, a local read, to ten seconds, twice the usual deadline. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export type RpcMetrics = { observe(method: string, outcome: Outcome, tookMs: number): void }
/** Counts a peer that was refused at a port of ours. */
export type CountRefusal = (reason: RefusalReason) => void
export type IdentityMetrics = { updated(notAfterMs: number): void; failed(): void }

type MeshMetrics = { server: RpcMetrics; client: RpcMetrics; identity: IdentityMetrics; refused: CountRefusal }

const byRegistry = new WeakMap<Registry, MeshMetrics>()

/** The counter of refused peers in a registry, for a port that the mesh's own server does not serve. */
export const refusalCounter = (registry: Registry): CountRefusal => meshMetrics(registry).refused

/** The mesh's metrics in one registry, made once; without a registry they are counted and thrown away. */
export function meshMetrics(registry: Registry = new Registry()): MeshMetrics {
  const known = byRegistry.get(registry)
  if (known) return known
  const registers = [registry]
  const rpc = (side: 'server' | 'client'): RpcMetrics => {
    const labels = { method: 'method', outcome: 'outcome' }
    const count = new Counter({
      name: `rpc_${side}_calls_total`,
      help: `Calls ended, by method and outcome (${side}).`,
      labelNames: [labels.method, labels.outcome],
      registers,
    })
    const seconds = new Histogram({
      name: `rpc_${side}_seconds`,
      help: `How long calls took (${side}).`,
      labelNames: [labels.method],
      buckets: SECONDS,
      registers,
    })
    return {
      observe: (method, outcome, tookMs) => {
        count.inc({ method, outcome })
        seconds.observe({ method }, tookMs / 1000)
      },
    }
  }
  const expiry = new Gauge({
    name: 'svid_expires_at_seconds',
    help: 'When the certificate of this workload expires, in seconds since 1970.',
    registers,
  })
  const updates = new Counter({
    name: 'svid_updates_total',
    help: 'Certificates received (ok), and streams of the Workload API that ended or sent something unusable (error).',
    labelNames: ['outcome'],
    registers,
  })
  const refused = new Counter({
    name: 'bitka_mesh_refused_total',
    help: 'Peers refused at a port of the mesh, by reason: in the TLS handshake, by their certificate, or by the policy.',
    labelNames: ['reason'],
    registers,
  })
  // From zero, so that the first one is a rise.
  for (const reason of refusalReasons) refused.inc({ reason }, 0)
  const made: MeshMetrics = {
    server: rpc('server'),
    client: rpc('client'),
    identity: {
      updated: (notAfterMs) => {
        updates.inc({ outcome: 'ok' })
        expiry.set(notAfterMs / 1000)
      },
      failed: () => updates.inc({ outcome: 'error' }),
    },
    refused: (reason) => refused.inc({ reason }),
  }
  byRegistry.set(registry, made)
  return made
}
