import { Agent, type AgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import type { WorkloadIdentity } from '@bitka/mesh'
import { noTracing, openTracing, type Tracing } from '@bitka/telemetry'
import type { Registry } from 'prom-client'
import { z } from 'zod'
import { workloadCheck } from './workload-check.ts'

/** Plain HTTP is for a collector on the same machine: spans hold ids of people and orders. */
function isSafe(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint)
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
}

/** Where spans go. Read by every service and the gateway. */
export const tracingShape = {
  /** The OpenTelemetry collector, such as https://collector:4318; plain http only on loopback. Unset: no tracing. */
  BITKA_OTLP_ENDPOINT: z
    .union([
      z.literal('').transform(() => undefined),
      z.url({ protocol: /^https?$/ }).refine(isSafe, 'must be https, or http on loopback'),
    ])
    .optional(),
  /** Of how many of the traces that begin in this process spans are recorded, 0 to 1. */
  BITKA_TRACE_RATIO: z.coerce.number().min(0).max(1).default(0.05),
} as const

type Options = {
  service: string
  config: { BITKA_OTLP_ENDPOINT?: string; BITKA_TRACE_RATIO: number }
  identity: WorkloadIdentity
  registry: Registry
}

/** Tracing as the environment wants it. The collector of an https endpoint is the workload `collector` of our trust domain. */
export async function startTracing({ service, config, identity, registry }: Options): Promise<Tracing> {
  const { BITKA_OTLP_ENDPOINT: endpoint, BITKA_TRACE_RATIO: ratio } = config
  if (endpoint === undefined) return noTracing
  const agent = endpoint.startsWith('https:') ? new MeshAgent(identity) : undefined
  return openTracing({ service, endpoint, ratio, registry, agent })
}

/** Connects with the workload's identity as it is then, and only to the collector. */
class MeshAgent extends Agent {
  constructor(private readonly identity: WorkloadIdentity) {
    // A resumed session would skip the check of who answers.
    super({ keepAlive: true, maxSockets: 2, maxCachedSessions: 0 })
  }

  override createConnection(
    options: AgentOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const { privateKeyPem: key, certificatePem: cert, bundlePem: ca, trustDomain } = this.identity.current()
    const checkServerIdentity = workloadCheck(trustDomain, 'collector')
    const own = { key, cert, ca, checkServerIdentity, minVersion: 'TLSv1.3' } as const
    return super.createConnection({ ...options, ...own }, callback)
  }
}
