import { randomBytes } from 'node:crypto'
import { startTestKafka } from '@bitka/deploy/kafka'
import { ensureKafka, stackHome } from '@bitka/deploy/native'
import { openKafkaLog, type TopicTable } from '@bitka/events'
import { logConformance } from '../../../libs/events/test/conformance.ts'

logConformance('Kafka over mutual TLS', async () => {
  const kafka = await startTestKafka(await ensureKafka(stackHome()))
  const run = randomBytes(4).toString('hex')
  const used = new Map<number, number>()
  const topics: TopicTable = Object.fromEntries(
    [1, 2, 4].flatMap((partitions) =>
      Array.from({ length: 12 }, (_, i): [string, TopicTable[string]] => [
        `test-${run}.p${partitions}.n${i}`,
        { producers: ['order'], consumers: [], partitions, money: true, key: 'market' },
      ]),
    ),
  )
  await kafka.sync(topics)
  return {
    async topic(partitions) {
      const n = used.get(partitions) ?? 0
      used.set(partitions, n + 1)
      return `test-${run}.p${partitions}.n${n}`
    },
    open: () => openKafkaLog(kafka.connect('order')),
    openForeign: () => openKafkaLog(kafka.connect('notification')),
    stop: () => kafka.stop(),
  }
})
