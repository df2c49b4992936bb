export type { Audit, AuditInput } from './audit.ts'
export { type BaseConfig, baseShape, type Profile, parsePeers, port } from './config.ts'
export { brokerCheck } from './event-log.ts'
export { repositoryFolder } from './folders.ts'
export { runMain } from './main.ts'
export { serveMetrics } from './metrics.ts'
export { defineService } from './service.ts'
export { startTracing, tracingShape } from './tracing.ts'
export type {
  Dependency,
  Health,
  Overrides,
  RunningService,
  ServiceContext,
  ServiceEnv,
  ServiceParts,
  ServiceSpec,
  StartService,
} from './types.ts'
export { Waiting } from './waiting.ts'
