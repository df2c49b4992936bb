import type pg from 'pg'
import { Gauge, type Registry } from 'prom-client'

type Observed = Map<pg.Pool, string>

/** Pools by registry: in the one-process mode several services may share one. */
const observed = new WeakMap<Registry, Observed>()

/** Shows a pool in the registry until the returned function is called. */
export function observePool(registry: Registry, schema: string, pool: pg.Pool): () => void {
  const pools = observed.get(registry) ?? register(registry)
  pools.set(pool, schema)
  return () => void pools.delete(pool)
}

function register(registry: Registry): Observed {
  const pools: Observed = new Map()
  observed.set(registry, pools)
  new Gauge({
    name: 'bitka_db_pool_connections',
    help: 'Connections to PostgreSQL, by schema and state.',
    labelNames: ['schema', 'state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [pool, schema] of pools) {
        this.inc({ schema, state: 'idle' }, pool.idleCount)
        this.inc({ schema, state: 'busy' }, pool.totalCount - pool.idleCount)
      }
    },
  })
  new Gauge({
    name: 'bitka_db_pool_waiting',
    help: 'Requests that wait for a connection, by schema.',
    labelNames: ['schema'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [pool, schema] of pools) this.inc({ schema }, pool.waitingCount)
    },
  })
  return pools
}
