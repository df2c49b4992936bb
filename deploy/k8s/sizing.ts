import type { ServiceName } from '@bitka/mesh'

/** What a pod asks for, and how many there may be. CPU in thousandths of a core, memory in MiB. */
export type Size = {
  cpu: number
  memory: number
  /** A pod that uses more is killed. */
  memoryMax: number
  /** Copies that always run, and how far the autoscaler goes. */
  replicas: { min: number; max: number }
  /** Connections to PostgreSQL of each pod. */
  pool: number
}

/**
 * Resident memory was measured on the native stack (Node 20, `make stack-up`, then the suites of orders and sign-in, MiB): gateway
 * 179, auth 209, user 131, ledger 151, order 188, matching 137, market-data 136, notification 147, audit 157, Envoy 82. Requests
 * are that and a reserve; limits leave room for V8's heap and for queues under load. CPU is estimated from docs/performance.md
 * and scaled by what is used; a Node process takes little more than one core, so no limit is above two.
 */
export const sizes: Readonly<Record<ServiceName, Size>> = {
  gateway: { cpu: 250, memory: 256, memoryMax: 768, replicas: { min: 2, max: 8 }, pool: 0 },
  // Each password costs 19 MiB and 33 ms of a core, up to three side by side.
  auth: { cpu: 250, memory: 256, memoryMax: 768, replicas: { min: 2, max: 6 }, pool: 8 },
  user: { cpu: 50, memory: 192, memoryMax: 512, replicas: { min: 2, max: 4 }, pool: 4 },
  ledger: { cpu: 500, memory: 256, memoryMax: 1024, replicas: { min: 2, max: 4 }, pool: 8 },
  order: { cpu: 500, memory: 256, memoryMax: 1024, replicas: { min: 2, max: 6 }, pool: 8 },
  // 200 bytes an open order: a million are 200 MiB. One owner and one that stands by.
  matching: { cpu: 500, memory: 384, memoryMax: 2048, replicas: { min: 2, max: 2 }, pool: 4 },
  'market-data': { cpu: 250, memory: 256, memoryMax: 1024, replicas: { min: 2, max: 6 }, pool: 6 },
  notification: { cpu: 50, memory: 192, memoryMax: 512, replicas: { min: 2, max: 4 }, pool: 4 },
  audit: { cpu: 50, memory: 192, memoryMax: 512, replicas: { min: 2, max: 4 }, pool: 4 },
}

/** How many connections PostgreSQL takes; what the services may open at most stays below it, and a test adds them up. */
export const postgresConnections = 300
