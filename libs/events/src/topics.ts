/** The services, by the same names as in their SPIFFE ids (libs/mesh has the same union). */
export type ServiceName =
  | 'auth'
  | 'user'
  | 'ledger'
  | 'order'
  | 'matching'
  | 'market-data'
  | 'notification'
  | 'audit'
  | 'gateway'

export const serviceNames: readonly ServiceName[] = [
  'auth',
  'user',
  'ledger',
  'order',
  'matching',
  'market-data',
  'notification',
  'audit',
  'gateway',
]

export type TopicSpec = {
  /** Who may append. The log itself refuses everybody else. */
  producers: readonly ServiceName[]
  /** Who may read, beside the producers. */
  consumers: readonly ServiceName[]
  /** How many partitions to make. May be raised later, never lowered. */
  partitions: number
  /** Kept: never pruned by age. True where losing a record would lose money or evidence. */
  money: boolean
  /** How long a topic that is not kept holds a record; default `topicDefaults.retentionMs`. */
  retentionMs?: number
  /** The entity whose order matters: what the record's key holds. */
  key: 'market' | 'order' | 'user' | 'actor'
}

/** What holds for every topic that does not say otherwise. */
export const topicDefaults = {
  retentionMs: 7 * 86_400_000,
} as const

const MIB = 1024 * 1024
/** Broker, topics and clients are told the same, or a record that one of them takes is refused by the next. */
export const kafkaLimits = {
  /** The largest batch. One result of matching says what became of every order that it touched. */
  maxBatchBytes: 8 * MIB,
  /** Records stay as the producer packed them. */
  compression: 'producer',
} as const

/** The largest record in any log: it has to fit into a batch with what a batch says of itself. */
export const RECORD_BYTES_MAX = kafkaLimits.maxBatchBytes - MIB / 4

const TRADING_PARTITIONS = 4

/** One audit topic for each producer, so that the topic proves who speaks. The gateway has no database and so no outbox. */
const audited = ['auth', 'user', 'ledger', 'order', 'matching', 'market-data', 'notification'] as const
export type AuditedService = (typeof audited)[number]
export type AuditTopic = `system.audit.log.${AuditedService}`

export const auditTopic = (service: AuditedService): AuditTopic => `system.audit.log.${service}`
export const auditTopics: readonly AuditTopic[] = audited.map(auditTopic)

const auditSpecs = Object.fromEntries(
  audited.map((service): [string, TopicSpec] => [
    auditTopic(service),
    { producers: [service], consumers: ['audit'], partitions: 1, money: true, key: 'actor' },
  ]),
) as Record<AuditTopic, TopicSpec>

const plain = {
  'trading.orders.commands': {
    producers: ['order'],
    consumers: ['matching'],
    partitions: TRADING_PARTITIONS,
    money: true,
    key: 'market',
  },
  'trading.matches.executed': {
    producers: ['matching'],
    consumers: ['ledger', 'order', 'market-data'],
    partitions: TRADING_PARTITIONS,
    money: true,
    key: 'market',
  },
  'trading.orders.created': {
    producers: ['order'],
    consumers: ['notification'],
    partitions: TRADING_PARTITIONS,
    money: false,
    key: 'order',
  },
  'trading.orders.cancelled': {
    producers: ['order'],
    consumers: ['notification'],
    partitions: TRADING_PARTITIONS,
    money: false,
    key: 'order',
  },
  'trading.orders.filled': {
    producers: ['order'],
    consumers: ['notification'],
    partitions: TRADING_PARTITIONS,
    money: false,
    key: 'order',
  },
  'accounting.ledger.deposited': {
    producers: ['ledger'],
    consumers: ['notification'],
    partitions: 1,
    money: true,
    key: 'user',
  },
  'accounting.ledger.withdrawn': {
    producers: ['ledger'],
    consumers: ['notification'],
    partitions: 1,
    money: true,
    key: 'user',
  },
  'accounting.ledger.transferred': {
    producers: ['ledger'],
    consumers: ['notification'],
    partitions: 1,
    money: true,
    key: 'user',
  },
  'identity.user.registered': {
    producers: ['auth'],
    consumers: ['notification', 'user'],
    partitions: 1,
    money: false,
    key: 'user',
  },
  'identity.user.login': {
    producers: ['auth'],
    consumers: ['notification', 'user'],
    partitions: 1,
    money: false,
    key: 'user',
  },
  'identity.password.changed': {
    producers: ['auth'],
    consumers: ['notification', 'user'],
    partitions: 1,
    money: false,
    key: 'user',
  },
  'identity.kyc.updated': {
    producers: ['user'],
    consumers: ['auth', 'ledger', 'order', 'notification'],
    partitions: 1,
    money: false,
    key: 'user',
  },
  'identity.session.revoked': {
    producers: ['auth'],
    consumers: serviceNames,
    partitions: 1,
    money: false,
    key: 'user',
  },
  'market.price.tick': {
    producers: ['market-data'],
    consumers: ['notification', 'gateway'],
    partitions: 1,
    money: false,
    key: 'market',
  },
} satisfies Record<string, TopicSpec>

export type TopicName = keyof typeof plain | AuditTopic
export type TopicTable = Readonly<Record<string, TopicSpec>>

/** The one table of topics: both adapters make their topics and permissions from it. */
export const topics: Readonly<Record<TopicName, TopicSpec>> = { ...plain, ...auditSpecs }
