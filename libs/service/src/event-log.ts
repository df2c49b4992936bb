import { type EventLog, openPostgresLog } from '@bitka/events'
import { ConfigError, type Logger } from '@bitka/kernel'
import type { ServiceName, WorkloadIdentity } from '@bitka/mesh'
import type { BaseConfig } from './config.ts'

type Options = { name: ServiceName; config: BaseConfig; identity: WorkloadIdentity; log: Logger }

/** The one place that knows which adapter stands behind the EventLog port. */
export async function openEventLog({ name, config, log }: Options): Promise<EventLog> {
  if (config.BITKA_EVENT_LOG === 'postgres')
    return openPostgresLog({ url: config.BITKA_DB_URL, service: name, logger: log })
  throw new ConfigError('bad configuration: BITKA_EVENT_LOG: kafka is not linked in')
}
