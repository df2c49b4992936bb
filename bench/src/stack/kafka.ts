import { join } from 'node:path'
import { measureKafka, startTestKafka } from '@bitka/deploy/kafka'
import { ensureKafka, stackHome } from '@bitka/deploy/native'
import { startPostgres } from '@bitka/embedded-pg'
import { eventLogSchema, openKafkaLog, openPostgresLog, syncTopics, type TopicTable } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { repositoryFolder } from '@bitka/service'
import { appRole, bootstrapDatabase, createDatabase, databaseUrl, migrate, openDb, ownerRole } from '@bitka/store'
import type { Cleanup } from '../cleanup.ts'
import type { Metric } from '../report.ts'
import { median, round } from '../stats.ts'

const TOPIC = 'bench.speed'
const topics: TopicTable = {
  [TOPIC]: { producers: ['order'], consumers: ['matching'], partitions: 6, money: true, key: 'market' },
}
const EVENTS = 100_000
/** The log in PostgreSQL is slower: as many would only take longer. */
const POSTGRES_EVENTS = 20_000

export type KafkaBenchOptions = { folder: string; rounds: number; cleanup: Cleanup; log: (line: string) => void }

/** How many events a producer gets acknowledged by a broker of its own, beside the embedded log doing the same, in turn. */
export async function benchKafka({ folder, rounds, cleanup, log }: KafkaBenchOptions): Promise<Metric[]> {
  const kafka = await startTestKafka(await ensureKafka(stackHome()))
  cleanup.add('Kafka', () => kafka.stop())
  await kafka.sync(topics)
  const kafkaLog = openKafkaLog(kafka.connect('order'))
  cleanup.add('Kafka log', () => kafkaLog.close())
  const postgresLog = await openEmbeddedLog(folder, cleanup)
  const real = []
  const embedded = []
  for (let turn = 1; turn <= rounds; turn += 1) {
    const figures = await measureKafka(kafkaLog, TOPIC, EVENTS)
    const peer = await measureKafka(postgresLog, TOPIC, POSTGRES_EVENTS)
    real.push(figures)
    embedded.push(peer)
    log(
      `stack round ${turn} events: Kafka ${round(figures.eventsPerSecond)}/s, in PostgreSQL ${round(peer.eventsPerSecond)}/s`,
    )
  }
  const middle = <T>(of: readonly T[], read: (figures: T) => number): number => round(median(of.map(read)))
  return [
    {
      id: 'stack.kafka_events_per_s',
      value: middle(real, ({ eventsPerSecond }) => eventsPerSecond),
      unit: 'events/s',
      better: 'higher',
      peer: 'the embedded event log, in PostgreSQL, with the same batches',
      peer_value: middle(embedded, ({ eventsPerSecond }) => eventsPerSecond),
      conditions: {
        what: 'kafkajs adapter over mutual TLS 1.3, idempotent, acks all, batches of 100 events of 200 bytes, 5 in flight, 6 partitions; one broker on this machine, its flushes left to the operating system as Kafka has them',
        rounds,
        events: EVENTS,
        rates: real.map(({ eventsPerSecond }) => round(eventsPerSecond)),
        peer_rates: embedded.map(({ eventsPerSecond }) => round(eventsPerSecond)),
        ack_p50_ms: middle(real, ({ p50Ms }) => p50Ms),
        ack_p99_ms: middle(real, ({ p99Ms }) => p99Ms),
        client_cpu_us_per_event: middle(real, ({ cpuUsPerEvent }) => cpuUsPerEvent),
      },
    },
  ]
}

async function openEmbeddedLog(folder: string, cleanup: Cleanup) {
  const postgres = await startPostgres({ dataDir: join(folder, 'pg-log', 'data'), log: silentLogger })
  cleanup.add('PostgreSQL', () => postgres.stop())
  const adminUrl = await createDatabase(postgres.adminUrl, 'bench')
  const password = 'bench-only'
  const services = ['event_log', 'order', 'matching'] as const
  await bootstrapDatabase({
    adminUrl,
    services: services.map((service) => ({ service, ownerPassword: password, appPassword: password })),
  })
  const ownerUrl = databaseUrl(adminUrl, { user: ownerRole(eventLogSchema), password })
  const migrations = repositoryFolder('libs/events/migrations')
  await migrate({
    ownerUrl,
    schema: eventLogSchema,
    folder: migrations,
    appRole: appRole(eventLogSchema),
    log: silentLogger,
  })
  const db = openDb({ url: ownerUrl, schema: eventLogSchema, poolSize: 1 })
  await syncTopics(db, { topics })
  await db.close()
  const url = databaseUrl(adminUrl, { user: appRole('order'), password })
  const opened = openPostgresLog({ url, service: 'order', logger: silentLogger })
  cleanup.add('log', () => opened.close())
  return opened
}
