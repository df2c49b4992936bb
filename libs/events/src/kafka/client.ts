import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Logger } from '@bitka/kernel'
// Node finds the names of this CommonJS module only on its default export.
import kafkajs, { type Kafka, type KafkaConfig, type logCreator } from 'kafkajs'
import { RenewingSocket } from './renewing-socket.ts'
import type { KafkaTls } from './tls.ts'

export type KafkaConnection = {
  /** host:port of some brokers. */
  brokers: string[]
  /** The service's name; shown in the broker's logs. Who the service is, its certificate says. */
  service: string
  logger: Logger
  /** Asked at each new connection and before a certificate in use expires; then the connection is renewed. None: plain TCP, for tests. */
  tls?: () => KafkaTls
}

type SocketOptions = { host: string; port: number; onConnect: () => void }

/** kafkajs gives up after a few seconds; who calls tries again, with a new connection. */
const retry = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 }

export function kafkaConfig(connection: KafkaConnection): KafkaConfig {
  const { brokers, service, logger, tls } = connection
  // kafkajs warns of a change of its partitioner that does not concern us: every record names its partition.
  process.env.KAFKAJS_NO_PARTITIONER_WARNING ??= '1'
  return {
    brokers,
    clientId: service,
    ssl: tls !== undefined,
    connectionTimeout: 5_000,
    requestTimeout: 15_000,
    retry,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: logCreatorFor(logger),
    socketFactory: ({ host, port, onConnect }: SocketOptions): Duplex =>
      tls
        ? new RenewingSocket({ host, port, tls, logger }, onConnect)
        : connectTcp({ host, port }, onConnect).setKeepAlive(true, 60_000),
    // Typed for Socket; what kafkajs uses of it, every stream has.
  } as unknown as KafkaConfig
}

export const kafkaClient = (connection: KafkaConnection): Kafka => new kafkajs.Kafka(kafkaConfig(connection))

/** What kafkajs calls errors are mostly retries of its own, so they are warnings here; what fails is thrown and logged where handled. */
export const logCreatorFor =
  (logger: Logger): logCreator =>
  () =>
  ({ namespace, level, log: { message, timestamp: _, logger: __, ...details } }) => {
    const say = level <= kafkajs.logLevel.WARN ? 'warn' : 'debug'
    logger[say]({ kafka: namespace, ...details }, message)
  }
