export type { Audit, AuditInput } from './audit.ts'
export { type BaseConfig, baseShape, type Profile, parsePeers, port } from './config.ts'
export { repositoryFolder } from './folders.ts'
export { runMain } from './main.ts'
export { serveMetrics } from './metrics.ts'
export type { Dependency } from './operations.ts'
export {
  defineService,
  type Health,
  type Overrides,
  type RunningService,
  type ServiceContext,
  type ServiceEnv,
  type ServiceParts,
  type ServiceSpec,
  type StartService,
} from './service.ts'
