import { type EventLog, openKafkaLog, openPostgresLog } from '@bitka/events'
import { ConfigError, type Logger } from '@bitka/kernel'
import type { ServiceName, WorkloadIdentity } from '@bitka/mesh'
import type { BaseConfig } from './config.ts'
import { workloadCheck } from './workload-check.ts'

type Options = { name: ServiceName; config: BaseConfig; identity: WorkloadIdentity; log: Logger }

/** The one place that knows which adapter stands behind the EventLog port. */
export async function openEventLog({ name, config, identity, log }: Options): Promise<EventLog> {
  if (config.BITKA_EVENT_LOG === 'postgres') {
    return openPostgresLog({ url: config.BITKA_DB_URL, service: name, logger: log })
  }
  if (config.BITKA_KAFKA_BROKERS === undefined) {
    throw new ConfigError('bad configuration: BITKA_KAFKA_BROKERS: required when BITKA_EVENT_LOG is kafka')
  }
  await identity.ready()
  return openKafkaLog({
    brokers: config.BITKA_KAFKA_BROKERS.split(','),
    service: name,
    logger: log,
    tls: () => {
      const { privateKeyPem: key, certificatePem: cert, bundlePem: ca, trustDomain } = identity.current()
      return { key, cert, ca, checkServerIdentity: brokerCheck(trustDomain) }
    },
  })
}

/** The broker is known by its SPIFFE ID, as everybody in the mesh is. */
export const brokerCheck = (trustDomain: string) => workloadCheck(trustDomain, 'kafka')
