import { Counter, Gauge, type Registry } from 'prom-client'

export type Lag = { partition: number; records: number }

export type MatchingMetrics = {
  commands: Counter
  results: Counter
  replaySeconds: Gauge
  stopped: Gauge
  /** Asked at each scrape, once the runner has set it. */
  lags: (() => Promise<Lag[]>) | undefined
}

export function matchingMetrics(registry: Registry): MatchingMetrics {
  const registers = [registry]
  const labelNames = ['partition']
  const metrics: MatchingMetrics = {
    commands: new Counter({
      name: 'bitka_matching_commands_total',
      help: 'Commands whose results are durable, replayed ones included',
      labelNames,
      registers,
    }),
    results: new Counter({
      name: 'bitka_matching_results_total',
      help: 'Records of results appended',
      labelNames,
      registers,
    }),
    replaySeconds: new Gauge({
      name: 'bitka_matching_replay_seconds',
      help: 'How long the last take-over of the partition took',
      labelNames,
      registers,
    }),
    stopped: new Gauge({
      name: 'bitka_matching_stopped',
      help: 'Markets of the partition that are stopped by an error',
      labelNames,
      registers,
    }),
    lags: undefined,
  }
  new Gauge({
    name: 'bitka_matching_lag_records',
    help: 'Commands in the log that are not applied yet',
    labelNames,
    registers,
    async collect() {
      this.reset()
      const lags = await metrics.lags?.().catch(() => [])
      for (const { partition, records } of lags ?? []) this.set({ partition }, records)
    },
  })
  return metrics
}
