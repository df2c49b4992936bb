export { type KafkaFigures, measureKafka } from './measure.ts'
export {
  type KafkaOptions,
  type KafkaProgram,
  kafkaReady,
  type NativeKafka,
  prepareKafka,
  startKafka,
} from './native.ts'
export { buildPlugin, PLUGIN_JAR } from './plugin.ts'
export {
  authorizationProperties,
  type BrokerOptions,
  composeProperties,
  identityProperties,
  logProperties,
  principalOf,
  renderServerProperties,
} from './server-properties.ts'
export { startTestKafka, type TestKafka } from './test-broker.ts'
