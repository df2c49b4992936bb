import { randomBytes } from 'node:crypto'
import { silentLogger } from '@bitka/kernel'
import {
  aclText,
  eventLogSchema,
  kafkaAcls,
  openKafkaLog,
  serviceNames,
  syncKafkaTopics,
  type TopicTable,
  topics,
} from '../src/index.ts'
import { logConformance } from './conformance.ts'
import { eventsFixture } from './fixture.ts'

/** host:port of a Kafka broker without TLS, comma separated; the suite is run against it. */
const brokers = process.env.BITKA_TEST_KAFKA_BROKERS?.split(',')

if (brokers) {
  logConformance('Kafka', async () => {
    const run = randomBytes(4).toString('hex')
    const connection = { brokers, service: 'order', logger: silentLogger }
    const used = new Map<number, number>()
    const table: TopicTable = Object.fromEntries(
      [1, 2, 4].flatMap((partitions) =>
        Array.from({ length: 12 }, (_, i): [string, TopicTable[string]] => [
          `test-${run}.p${partitions}.n${i}`,
          { producers: ['order'], consumers: [], partitions, money: true, key: 'market' },
        ]),
      ),
    )
    await syncKafkaTopics({ ...connection, replicationFactor: 1, topics: table })
    return {
      async topic(partitions) {
        const n = used.get(partitions) ?? 0
        used.set(partitions, n + 1)
        return `test-${run}.p${partitions}.n${n}`
      },
      open: () => openKafkaLog(connection),
      stop: async () => undefined,
    }
  })
} else {
  it('is not run against a broker: BITKA_TEST_KAFKA_BROKERS is not set', () => {
    process.stderr.write(
      'no Kafka broker configured (BITKA_TEST_KAFKA_BROKERS): the suite of the log was not run against Kafka\n',
    )
    expect(brokers).toBeUndefined()
  })
}

describe('the ACLs of Kafka', () => {
  it('let those write and read whom the log in PostgreSQL lets', async () => {
    const fixture = await eventsFixture([...serviceNames])
    try {
      const roleOf = new Map(serviceNames.map((service) => [fixture.database.of(service).appRole, service]))
      const { ownerUrl } = fixture.database.of(eventLogSchema)
      const grants = async (table: 'topic_producers' | 'topic_consumers', verb: string): Promise<string[]> => {
        const sql = `select t.name, p.role from event_log.${table} p join event_log.topics t on t.id = p.topic_id`
        const rows = await fixture.run<{ name: string; role: string }>(ownerUrl, sql)
        return rows.map(({ name, role }) => `allow User:${roleOf.get(role)} ${verb} TOPIC ${name}`)
      }
      const rules = (verb: string): string[] =>
        kafkaAcls(topics, (service) => `User:${service}`)
          .map(aclText)
          .filter((rule) => rule.includes(` ${verb} TOPIC `))
          .sort()
      const writes = await grants('topic_producers', 'WRITE')
      expect(rules('WRITE')).toEqual(writes.sort())
      // Producers read their own topics too.
      const reads = [...(await grants('topic_consumers', 'READ')), ...(await grants('topic_producers', 'READ'))]
      expect(rules('READ')).toEqual([...new Set(reads)].sort())
    } finally {
      await fixture.stop()
    }
  })
})
