import kafkajs, { type AclEntry } from 'kafkajs'
import { kafkaLimits, type ServiceName, type TopicSpec, type TopicTable, topicDefaults } from '../topics.ts'
import { kafkaAcls } from './acls.ts'

/** A topic as the table wants it. */
export type WantedTopic = { topic: string; partitions: number; config: Readonly<Record<string, string>> }

export type WantedState = {
  topics: WantedTopic[]
  /** None: access lists are not looked after. */
  acls?: AclEntry[]
}

/** What brokers answer. `config` holds at least the keys of the table. */
export type FoundState = {
  topics: ReadonlyMap<string, { partitions: number; config: Readonly<Record<string, string>> }>
  acls: readonly AclEntry[]
}

/** What has to be done so that the brokers are as the table says. */
export type KafkaPlan = {
  create: WantedTopic[]
  grow: { topic: string; from: number; to: number }[]
  configure: WantedTopic[]
  allow: AclEntry[]
  revoke: AclEntry[]
  /** Topics that are not in the table: nobody may use them, and nothing deletes them. */
  unknown: string[]
  /** More partitions than the table has. Partitions cannot be taken away. */
  larger: { topic: string; has: number; wanted: number }[]
}

type WantedOptions = {
  topics: TopicTable
  replicationFactor: number
  /** How the brokers call a service; none: access lists are not looked after. */
  principal?: (service: ServiceName) => string
}

export const wantedState = ({ topics, replicationFactor, principal }: WantedOptions): WantedState => ({
  topics: Object.entries(topics).map(([topic, spec]) => ({
    topic,
    partitions: spec.partitions,
    config: topicConfig(spec, replicationFactor),
  })),
  ...(principal && { acls: kafkaAcls(topics, principal) }),
})

function topicConfig({ money, retentionMs = topicDefaults.retentionMs }: TopicSpec, replicationFactor: number) {
  return {
    // Of three replicas two have an acknowledged record, and one may be away.
    'min.insync.replicas': String(Math.max(1, replicationFactor - 1)),
    'retention.ms': money ? '-1' : String(retentionMs),
    'max.message.bytes': String(kafkaLimits.maxBatchBytes),
    'compression.type': kafkaLimits.compression,
    // A broker that fell behind must not become leader: it would lose acknowledged records.
    'unclean.leader.election.enable': 'false',
  }
}

/** Compares what is wanted with what is there. Topics that Kafka keeps for itself begin with "__". */
export function planKafka(wanted: WantedState, found: FoundState): KafkaPlan {
  const present = wanted.topics.flatMap((topic) => {
    const has = found.topics.get(topic.topic)
    return has ? [{ ...topic, has }] : []
  })
  const names = new Set(wanted.topics.map(({ topic }) => topic))
  const wantedAcls = new Map((wanted.acls ?? []).map((acl) => [aclText(acl), acl]))
  const foundAcls = new Map(found.acls.map((acl) => [aclText(acl), acl]))
  return {
    create: wanted.topics.filter(({ topic }) => !found.topics.has(topic)),
    grow: present
      .filter(({ partitions, has }) => has.partitions < partitions)
      .map(({ topic, partitions, has }) => ({ topic, from: has.partitions, to: partitions })),
    configure: present
      .filter(({ config, has }) => Object.entries(config).some(([key, value]) => has.config[key] !== value))
      .map(({ topic, partitions, config }) => ({ topic, partitions, config })),
    allow: [...wantedAcls].filter(([text]) => !foundAcls.has(text)).map(([, acl]) => acl),
    revoke: wanted.acls ? [...foundAcls].filter(([text]) => !wantedAcls.has(text)).map(([, acl]) => acl) : [],
    unknown: [...found.topics.keys()].filter((topic) => !names.has(topic) && !topic.startsWith('__')).sort(),
    larger: present
      .filter(({ partitions, has }) => has.partitions > partitions)
      .map(({ topic, partitions, has }) => ({ topic, has: has.partitions, wanted: partitions })),
  }
}

const nameOf = (names: Readonly<Record<string, unknown>>, value: number): string =>
  Object.entries(names).find(([, number]) => number === value)?.[0] ?? String(value)

/** An access rule in words; two rules are the same when these are. */
export function aclText(acl: AclEntry): string {
  const { AclPermissionTypes, AclOperationTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
  const verb = nameOf(AclPermissionTypes, acl.permissionType).toLowerCase()
  const operation = nameOf(AclOperationTypes, acl.operation)
  const type = nameOf(AclResourceTypes, acl.resourceType)
  const pattern = acl.resourcePatternType === ResourcePatternTypes.PREFIXED ? '*' : ''
  const odd = acl.resourcePatternType > ResourcePatternTypes.PREFIXED ? ` (pattern ${acl.resourcePatternType})` : ''
  const host = acl.host === '*' ? '' : ` from ${acl.host}`
  return `${verb} ${acl.principal} ${operation} ${type} ${acl.resourceName}${pattern}${odd}${host}`
}

/** A plan line by line, for people; none: everything is as it should be. */
export function describePlan(plan: KafkaPlan): string[] {
  const settings = ({ config }: WantedTopic): string =>
    Object.entries(config)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ')
  return [
    ...plan.create.map((each) => `create topic ${each.topic}: ${each.partitions} partitions, ${settings(each)}`),
    ...plan.grow.map(({ topic, from, to }) => `add partitions to ${topic}: ${from} to ${to}`),
    ...plan.configure.map((each) => `configure topic ${each.topic}: ${settings(each)}`),
    ...plan.allow.map((acl) => `add rule: ${aclText(acl)}`),
    ...plan.revoke.map((acl) => `remove rule: ${aclText(acl)}`),
    ...plan.unknown.map((topic) => `note: topic ${topic} is not in the table; nobody may use it`),
    ...plan.larger.map(({ topic, has, wanted }) => `note: ${topic} has ${has} partitions, the table says ${wanted}`),
  ]
}
