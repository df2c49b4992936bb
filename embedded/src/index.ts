export { type EmbeddedConfig, readConfig } from './config.ts'
export { type Exchange, startExchange } from './exchange.ts'
export type { Platform } from './platform.ts'
export type { SupervisedProcess } from './supervisor.ts'
