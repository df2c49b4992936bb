export { type EmbeddedConfig, readConfig } from './config.ts'
export { environments, type Ports } from './environment.ts'
export { type Exchange, startExchange } from './exchange.ts'
export {
  type BackendName,
  databaseRoles,
  type KeptPostgres,
  keepPostgres,
  type Platform,
  prepareDatabase,
  services,
} from './platform.ts'
export { loadSecrets, type Secrets } from './secrets.ts'
