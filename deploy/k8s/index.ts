export { kafkaManifest } from './kafka.ts'
