import { Counter, Gauge, type Registry } from 'prom-client'

type Lag = { group: string; topic: string; partition: string; records: number }

/** The metrics of outboxes and consumers, one set per registry however many of them share it. */
export type EventMetrics = {
  outboxAge: Gauge
  outboxSent: Counter
  consumed: Counter
  retries: Counter
  parked: Counter
  stopped: Gauge
  /** Asked at each scrape. */
  lagSources: Set<() => Promise<Lag[]>>
  /** Asked at each scrape: the records that are parked now, by group. */
  parkedSources: Set<() => Promise<{ group: string; records: number }>>
  /** Asked at each scrape: the age of the oldest unsent row, by topic. */
  ageSources: Set<() => { service: string; topic: string; ageMs: number }[]>
}

const made = new WeakMap<Registry, EventMetrics>()

export function eventMetrics(registry: Registry): EventMetrics {
  const known = made.get(registry)
  if (known) return known
  const registers = [registry]
  const lagSources: EventMetrics['lagSources'] = new Set()
  const ageSources: EventMetrics['ageSources'] = new Set()
  const parkedSources: EventMetrics['parkedSources'] = new Set()
  const labels = ['group', 'topic', 'partition']
  const metrics: EventMetrics = {
    outboxAge: new Gauge({
      name: 'bitka_outbox_unsent_age_ms',
      help: 'Age of the oldest event that is written but not yet in the log',
      labelNames: ['service', 'topic'],
      registers,
      collect() {
        this.reset()
        for (const source of ageSources) {
          for (const { service, topic, ageMs } of source()) this.set({ service, topic }, ageMs)
        }
      },
    }),
    outboxSent: new Counter({
      name: 'bitka_outbox_sent_total',
      help: 'Events sent from the outbox to the log',
      labelNames: ['service', 'topic'],
      registers,
    }),
    consumed: new Counter({
      name: 'bitka_consumer_records_total',
      help: 'Records applied',
      labelNames: labels,
      registers,
    }),
    retries: new Counter({
      name: 'bitka_consumer_retries_total',
      help: 'Failed attempts',
      labelNames: labels,
      registers,
    }),
    parked: new Counter({ name: 'bitka_dead_letters_total', help: 'Records parked', labelNames: labels, registers }),
    stopped: new Gauge({
      name: 'bitka_consumer_stopped',
      help: '1 while a partition is stopped at a record that cannot be applied',
      labelNames: labels,
      registers,
    }),
    lagSources,
    ageSources,
    parkedSources,
  }
  new Gauge({
    name: 'bitka_dead_letters_parked',
    help: 'Records that are parked and wait for an operator',
    labelNames: ['group'],
    registers,
    async collect() {
      this.reset()
      const found = await Promise.allSettled([...parkedSources].map((source) => source()))
      for (const parked of found) {
        if (parked.status === 'fulfilled') this.set({ group: parked.value.group }, parked.value.records)
      }
    },
  })
  new Gauge({
    name: 'bitka_consumer_lag_records',
    help: 'Offsets between the consumer and the end of the log',
    labelNames: labels,
    registers,
    async collect() {
      this.reset()
      const found = await Promise.allSettled([...lagSources].map((source) => source()))
      for (const lags of found) {
        if (lags.status !== 'fulfilled') continue
        for (const { records, ...where } of lags.value) this.set(where, records)
      }
    },
  })
  made.set(registry, metrics)
  return metrics
}
