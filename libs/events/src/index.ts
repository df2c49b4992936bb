export * from './consumer.ts'
export {
  countParked,
  type DeadLetter,
  dropDeadLetter,
  listDeadLetters,
  listStopped,
  replayDeadLetter,
  type StoppedPartition,
} from './consumer-store.ts'
export { kafkaAcls } from './kafka/acls.ts'
export { kafkaIsReady, type SyncKafkaOptions, syncKafkaTopics } from './kafka/admin.ts'
export type { KafkaConnection } from './kafka/client.ts'
export { type KafkaLogConfig, openKafkaLog } from './kafka/log.ts'
export { aclText, describePlan, type KafkaPlan, planKafka, wantedState } from './kafka/plan.ts'
export type { KafkaTls } from './kafka/tls.ts'
export * from './outbox.ts'
export * from './partitioner.ts'
export * from './port.ts'
export * from './postgres/admin.ts'
export { openPostgresLog, type PostgresLogConfig } from './postgres/log.ts'
export * from './relay.ts'
export * from './retry.ts'
export { processing, publishing, type Traced } from './spans.ts'
export * from './tail.ts'
export * from './topics.ts'
