import kafkajs, {
  type AclEntry,
  type AclOperationTypes,
  type AclResourceTypes,
  type Admin,
  type ITopicConfig,
} from 'kafkajs'
import { pause } from '../retry.ts'
import { topics as allTopics, type ServiceName, serviceNames, type TopicTable } from '../topics.ts'
import { type KafkaConnection, kafkaClient } from './client.ts'

export type SyncKafkaOptions = KafkaConnection & {
  /** Production: 3, and 2 in sync. */
  replicationFactor: number
  minInsyncReplicas: number
  /** How long topics that are not kept hold a record; default 7 days. */
  retentionMs?: number
  /** The broker's name for a service, e.g. "User:spiffe://bitka.test/ns/bitka/sa/order". None: no ACLs are made. */
  principal?: (service: ServiceName) => string
  topics?: TopicTable
}

const DAY_MS = 86_400_000
const LEADERS_TIMEOUT_MS = 60_000

/** Makes topics, partitions and ACLs as the table of topics says. Runs as an administrator; safe to repeat. */
export async function syncKafkaTopics(options: SyncKafkaOptions): Promise<void> {
  const { principal } = options
  const topics: TopicTable = options.topics ?? allTopics
  const admin = kafkaClient(options).admin()
  await admin.connect()
  try {
    const present = new Set(await admin.listTopics())
    const missing = Object.keys(topics).filter((topic) => !present.has(topic))
    if (missing.length > 0) {
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map((topic) => topicConfig(topic, topics, options)),
      })
    }
    const { topics: found } = await admin.fetchTopicMetadata({ topics: Object.keys(topics) })
    const grow = found
      .map(({ name, partitions }) => ({ topic: name, count: topics[name]?.partitions ?? 0, has: partitions.length }))
      .filter(({ count, has }) => count > has)
    if (grow.length > 0)
      await admin.createPartitions({ topicPartitions: grow.map(({ topic, count }) => ({ topic, count })) })
    await waitForLeaders(admin, Object.keys(topics))
    if (principal) await admin.createAcls({ acl: kafkaAcls(topics, principal) })
  } finally {
    await admin.disconnect()
  }
}

/** The controller knows of a new partition's leader before the leader itself does. */
async function waitForLeaders(admin: Admin, topics: string[]): Promise<void> {
  const deadlineMs = performance.now() + LEADERS_TIMEOUT_MS
  for (const topic of topics) {
    for (;;) {
      try {
        await admin.fetchTopicOffsets(topic)
        break
      } catch (error) {
        if (performance.now() > deadlineMs) throw error
        await pause(200)
        await admin.fetchTopicMetadata({ topics: [topic] })
      }
    }
  }
}

function topicConfig(topic: string, topics: TopicTable, options: SyncKafkaOptions): ITopicConfig {
  const { retentionMs = 7 * DAY_MS, replicationFactor, minInsyncReplicas } = options
  return {
    topic,
    numPartitions: topics[topic]?.partitions ?? 1,
    replicationFactor,
    configEntries: [
      { name: 'min.insync.replicas', value: String(minInsyncReplicas) },
      { name: 'retention.ms', value: topics[topic]?.money ? '-1' : String(retentionMs) },
      // A broker that fell behind must not become leader: it would lose acknowledged records.
      { name: 'unclean.leader.election.enable', value: 'false' },
    ],
  }
}

/** What each service may do: append to its own topics, read those meant for it, form groups of its own name. */
export function kafkaAcls(topics: TopicTable, principal: (service: ServiceName) => string): AclEntry[] {
  const { TOPIC, GROUP, TRANSACTIONAL_ID } = kafkajs.AclResourceTypes
  const { READ, WRITE, DESCRIBE } = kafkajs.AclOperationTypes
  const { PREFIXED, LITERAL } = kafkajs.ResourcePatternTypes
  const acls: AclEntry[] = []
  const allow = (
    service: ServiceName,
    resourceType: AclResourceTypes,
    resourceName: string,
    prefixed: boolean,
    operations: AclOperationTypes[],
  ): void => {
    for (const operation of operations) {
      acls.push({
        resourceType,
        resourceName,
        resourcePatternType: prefixed ? PREFIXED : LITERAL,
        principal: principal(service),
        host: '*',
        operation,
        permissionType: kafkajs.AclPermissionTypes.ALLOW,
      })
    }
  }
  for (const [topic, { producers, consumers }] of Object.entries(topics)) {
    for (const service of producers) {
      allow(service, TOPIC, topic, false, [WRITE, READ, DESCRIBE])
      // The transactional ids of its partitions.
      allow(service, TRANSACTIONAL_ID, `${topic}.`, true, [WRITE, DESCRIBE])
    }
    for (const service of consumers) {
      if (!producers.includes(service)) allow(service, TOPIC, topic, false, [READ, DESCRIBE])
    }
  }
  for (const service of serviceNames) allow(service, GROUP, `${service}.`, true, [READ])
  return acls
}
