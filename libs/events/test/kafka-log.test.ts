import { randomBytes } from 'node:crypto'
import { silentLogger } from '@bitka/kernel'
import { kafkaAcls, openKafkaLog, syncKafkaTopics, type TopicTable, topics } from '../src/index.ts'
import { logConformance } from './conformance.ts'

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
  const acls = kafkaAcls(topics, (service) => `User:${service}`)
  const WRITE = 4
  const TOPIC = 2
  it('let nobody but the producers write', () => {
    for (const [topic, { producers }] of Object.entries(topics)) {
      const writers = acls.filter(
        (acl) => acl.resourceType === TOPIC && acl.resourceName === topic && acl.operation === WRITE,
      )
      expect(writers.map(({ principal }) => principal)).toEqual(producers.map((service) => `User:${service}`))
    }
  })
})
