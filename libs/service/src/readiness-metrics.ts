import { Gauge, type Registry } from 'prom-client'
import type { Health } from './types.ts'

/** What /readyz says, as metrics: asked at each scrape, so that a graph and a probe never tell different stories. */
export function readinessMetrics(registry: Registry, health: () => Promise<Health>): void {
  const registers = [registry]
  let asked: Promise<Health> | undefined
  /** One question a scrape, for both metrics. */
  const ask = (): Promise<Health> => {
    asked ??= health()
      .catch((): Health => ({ ready: false, dependencies: [] }))
      .finally(() => {
        asked = undefined
      })
    return asked
  }
  new Gauge({
    name: 'bitka_ready',
    help: '1 while the process is ready to work, 0 while it is not.',
    registers,
    async collect() {
      this.set((await ask()).ready ? 1 : 0)
    },
  })
  new Gauge({
    name: 'bitka_dependency_ok',
    help: '1 while what the process needs answers, 0 while it does not.',
    labelNames: ['dependency'],
    registers,
    async collect() {
      const { dependencies } = await ask()
      this.reset()
      for (const { name, ok } of dependencies) this.set({ dependency: name }, ok ? 1 : 0)
    },
  })
}
