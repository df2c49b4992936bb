import { type EventLog, openKafkaLog, openPostgresLog } from '@bitka/events'
import { ConfigError, type Logger } from '@bitka/kernel'
import type { ServiceName, WorkloadIdentity } from '@bitka/mesh'
import type { Db } from '@bitka/store'
import type { Registry } from 'prom-client'
import type { BaseConfig } from './config.ts'

type Options = {
  name: ServiceName
  config: BaseConfig
  db: Db
  identity: WorkloadIdentity
  log: Logger
  metrics: Registry
}

/** The one place that knows which adapter stands behind the EventLog port. */
export async function openEventLog({ name, config, identity, log }: Options): Promise<EventLog> {
  if (config.BITKA_EVENT_LOG === 'postgres')
    return openPostgresLog({ url: config.BITKA_DB_URL, service: name, logger: log })
  if (config.BITKA_KAFKA_BROKERS === undefined) {
    throw new ConfigError('bad configuration: BITKA_KAFKA_BROKERS: required when BITKA_EVENT_LOG is kafka')
  }
  return openKafkaLog({ brokers: config.BITKA_KAFKA_BROKERS.split(','), service: name, identity, logger: log })
}
