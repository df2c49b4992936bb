import { silentLogger } from '@bitka/kernel'
import kafkajs, { type AclEntry, type Admin } from 'kafkajs'
import { pause } from '../retry.ts'
import { topics as allTopics, type ServiceName, type TopicTable } from '../topics.ts'
import { type KafkaConnection, kafkaClient, kafkaConfig } from './client.ts'
import { aclText, type FoundState, type KafkaPlan, planKafka, type WantedTopic, wantedState } from './plan.ts'

export type SyncKafkaOptions = KafkaConnection & {
  /** Production: 3, of which 2 have a record before it is acknowledged. */
  replicationFactor: number
  /** The broker's name for a service, e.g. "User:spiffe://bitka.test/ns/bitka/sa/order". None: no access rules are made. */
  principal?: (service: ServiceName) => string
  topics?: TopicTable
  /** Leaves rules alone that the table does not know, for tests that share a broker. Default: they are removed. */
  keepForeignRules?: boolean
  /** Answers the plan and does nothing. */
  dryRun?: boolean
}

const LEADERS_TIMEOUT_MS = 60_000
const RULES_TIMEOUT_MS = 30_000

/**
 * Makes topics, partitions, their settings and access rules as the table of topics says, and removes other rules. Runs as an
 * administrator; safe to repeat. Answers what it did.
 */
export async function syncKafkaTopics(options: SyncKafkaOptions): Promise<KafkaPlan> {
  const { replicationFactor, principal, topics = allTopics, keepForeignRules = false, dryRun = false } = options
  const wanted = wantedState({ topics, replicationFactor, ...(principal && { principal }) })
  const admin = kafkaClient(options).admin()
  await admin.connect()
  try {
    const found = await findState(admin, wanted.topics, principal !== undefined)
    const planned = planKafka(wanted, found)
    const plan = keepForeignRules ? { ...planned, revoke: [] } : planned
    if (!dryRun) {
      await apply(admin, plan, replicationFactor)
      await waitForLeaders(
        admin,
        wanted.topics.map(({ topic }) => topic),
      )
    }
    return plan
  } finally {
    await admin.disconnect()
  }
}

/** True when a broker answers; throws what keeps it from that. */
export async function kafkaIsReady(connection: Pick<KafkaConnection, 'brokers' | 'tls'>): Promise<boolean> {
  const retry = { retries: 0, initialRetryTime: 50, maxRetryTime: 50 }
  const config = kafkaConfig({ ...connection, service: 'ready', logger: silentLogger })
  const admin = new kafkajs.Kafka({ ...config, retry }).admin()
  try {
    await admin.connect()
    const { brokers, controller } = await admin.describeCluster()
    return brokers.length > 0 && controller !== null
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

async function findState(admin: Admin, wanted: WantedTopic[], withAcls: boolean): Promise<FoundState> {
  const { topics } = await admin.fetchTopicMetadata()
  const present = wanted.filter(({ topic }) => topics.some(({ name }) => name === topic))
  const configs = new Map<string, Record<string, string>>()
  if (present.length > 0) {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: present.map(({ topic, config }) => ({
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configNames: Object.keys(config),
      })),
    })
    for (const { resourceName, configEntries } of resources)
      configs.set(resourceName, Object.fromEntries(configEntries.map((each) => [each.configName, each.configValue])))
  }
  return {
    topics: new Map(
      topics.map(({ name, partitions }) => [name, { partitions: partitions.length, config: configs.get(name) ?? {} }]),
    ),
    acls: withAcls ? await listAcls(admin) : [],
  }
}

async function listAcls(admin: Admin): Promise<AclEntry[]> {
  const { resources } = await admin.describeAcls({
    resourceType: kafkajs.AclResourceTypes.ANY,
    resourcePatternType: kafkajs.ResourcePatternTypes.ANY,
    operation: kafkajs.AclOperationTypes.ANY,
    permissionType: kafkajs.AclPermissionTypes.ANY,
  })
  return resources.flatMap(({ resourceType, resourceName, resourcePatternType, acls }) =>
    acls.map((acl) => ({ ...acl, resourceType, resourceName, resourcePatternType })),
  )
}

/** Rules are added before others are removed: nobody is refused in between who was and will be allowed. */
async function apply(admin: Admin, plan: KafkaPlan, replicationFactor: number): Promise<void> {
  const { create, grow, configure, allow, revoke } = plan
  if (create.length > 0) {
    await admin.createTopics({
      waitForLeaders: true,
      topics: create.map(({ topic, partitions, config }) => ({
        topic,
        numPartitions: partitions,
        replicationFactor,
        configEntries: entries(config),
      })),
    })
  }
  if (grow.length > 0)
    await admin.createPartitions({ topicPartitions: grow.map(({ topic, to }) => ({ topic, count: to })) })
  if (configure.length > 0) {
    await admin.alterConfigs({
      validateOnly: false,
      resources: configure.map(({ topic, config }) => ({
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configEntries: entries(config),
      })),
    })
  }
  if (allow.length > 0) await admin.createAcls({ acl: allow })
  if (revoke.length > 0) await admin.deleteAcls({ filters: revoke })
  if (allow.length > 0 || revoke.length > 0) await waitForRules(admin, plan)
}

const entries = (config: Readonly<Record<string, string>>): { name: string; value: string }[] =>
  Object.entries(config).map(([name, value]) => ({ name, value }))

/** The controller has the rules at once, the broker that asks it a moment later. */
async function waitForRules(admin: Admin, { allow, revoke }: KafkaPlan): Promise<void> {
  const deadlineMs = performance.now() + RULES_TIMEOUT_MS
  for (;;) {
    const present = new Set((await listAcls(admin)).map(aclText))
    const isThere = (acl: AclEntry): boolean => present.has(aclText(acl))
    if (allow.every(isThere) && !revoke.some(isThere)) return
    if (performance.now() > deadlineMs) throw new Error('the brokers do not show the access rules that were made')
    await pause(100)
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
