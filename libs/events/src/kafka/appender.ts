import type { Kafka, Message, Producer, RecordMetadata } from 'kafkajs'
import { oneAtATime } from '../one-at-a-time.ts'
import { type AppendedAt, type Fence, FencedError, ForbiddenTopicError } from '../port.ts'
import { recordBytes } from '../record-size.ts'
import { asLogError } from './errors.ts'
import { CHUNK_BYTES, type Placed, TopicQueue } from './topic-queue.ts'

const ALL_REPLICAS = -1

type Send = (record: { topic: string; acks: number; messages: Message[] }) => Promise<RecordMetadata[]>
type Owner = { fence: Fence; producer: Producer; inTurn: ReturnType<typeof oneAtATime> }

/** Sends records: one idempotent producer for plain appends, one transactional producer for each partition that is owned. */
export class Appender {
  private plain: Promise<Producer> | undefined
  private readonly queues = new Map<string, TopicQueue>()
  private readonly owners = new Map<string, Owner>()
  private tokens = 0n

  constructor(private readonly kafka: Kafka) {}

  append(topic: string, records: Placed[]): Promise<AppendedAt[]> {
    const queue = this.queues.get(topic) ?? new TopicQueue((all) => this.send(topic, all))
    this.queues.set(topic, queue)
    return queue.add(records)
  }

  private async send(topic: string, records: Placed[]): Promise<AppendedAt[]> {
    this.plain ??= this.connect()
    const { plain } = this
    try {
      const producer = await plain
      return await sendAll((request) => producer.send(request), topic, records)
    } catch (error) {
      if (asLogError(error) instanceof ForbiddenTopicError) throw error
      // It is not known whether the broker has the last batch. The next one would bear its number and be taken for it.
      if (this.plain === plain) this.plain = undefined
      plain.then((producer) => producer.disconnect()).catch(() => undefined)
      throw error
    }
  }

  async appendFenced(topic: string, records: Placed[], fence: Fence): Promise<AppendedAt[]> {
    const owner = this.owners.get(`${fence.topic}/${fence.partition}`)
    if (owner?.fence.token !== fence.token)
      throw new FencedError('this fence was replaced, or a failed append has ended it')
    return owner.inTurn(async () => {
      try {
        const transaction = await owner.producer.transaction()
        try {
          const places = await sendAll((request) => transaction.send(request), topic, records)
          await transaction.commit()
          return places
        } catch (error) {
          if (transaction.isActive()) await transaction.abort().catch(() => undefined)
          throw error
        }
      } catch (error) {
        // Whether it was committed is not known: only a new fence brings certainty.
        this.drop(owner)
        throw error
      }
    })
  }

  async acquireFence(topic: string, partition: number, owner: string): Promise<Fence> {
    const place = `${topic}/${partition}`
    const previous = this.owners.get(place)
    if (previous) this.drop(previous)
    // The id belongs to the partition, not to the process: that is what makes the broker refuse the former owner.
    const producer = this.kafka.producer({
      transactionalId: `${topic}.${partition}`,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: 15_000,
      allowAutoTopicCreation: false,
    })
    try {
      await producer.connect()
      // Beginning takes a new epoch from the broker, which first ends what the former owner left open.
      const transaction = await producer.transaction()
      await transaction.abort()
    } catch (error) {
      producer.disconnect().catch(() => undefined)
      throw error
    }
    this.tokens += 1n
    const fence: Fence = { topic, partition, owner, token: BigInt(Date.now()) * 1_000n + this.tokens }
    this.owners.set(place, { fence, producer, inTurn: oneAtATime() })
    return fence
  }

  async close(): Promise<void> {
    const plain = await this.plain?.catch(() => undefined)
    const producers = [plain, ...[...this.owners.values()].map(({ producer }) => producer)]
    this.owners.clear()
    await Promise.allSettled(producers.map((producer) => producer?.disconnect()))
  }

  private async connect(): Promise<Producer> {
    const producer = this.kafka.producer({ idempotent: true, maxInFlightRequests: 5, allowAutoTopicCreation: false })
    await producer.connect()
    return producer
  }

  private drop(owner: Owner): void {
    const place = `${owner.fence.topic}/${owner.fence.partition}`
    if (this.owners.get(place) === owner) this.owners.delete(place)
    owner.producer.disconnect().catch(() => undefined)
  }
}

/** Sends in pieces that a broker takes, one after another; answers each record's place. */
async function sendAll(send: Send, topic: string, records: Placed[]): Promise<AppendedAt[]> {
  const places: AppendedAt[] = []
  for (let at = 0; at < records.length; ) {
    let bytes = 0
    let to = at
    for (; ; to += 1) {
      const record = records[to]
      if (!record) break
      const size = recordBytes(record)
      if (to > at && bytes + size > CHUNK_BYTES) break
      bytes += size
    }
    const chunk = records.slice(at, to)
    const answers = await send({ topic, acks: ALL_REPLICAS, messages: chunk.map(toMessage) })
    const next = new Map(answers.map(({ partition, baseOffset }) => [partition, BigInt(baseOffset ?? -1)]))
    for (const { partition } of chunk) {
      const offset = next.get(partition)
      if (offset === undefined || offset < 0n)
        throw new Error(`the broker did not say where it put a record of ${topic}`)
      places.push({ partition, offset })
      next.set(partition, offset + 1n)
    }
    at = to
  }
  return places
}

const toMessage = ({ key, headers, value, partition }: Placed): Message => ({
  key: Buffer.from(key),
  headers,
  partition,
  value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
})
