export { grpcDefinition } from './bridge.ts'
export { type ClientOptions, createClient } from './client.ts'
export type { Outcome } from './errors.ts'
export { headers } from './headers.ts'
export { HealthState } from './health.ts'
export { type IdentityMaterial, WorkloadIdentity, type WorkloadIdentityOptions } from './identity.ts'
export { type CountRefusal, refusalCounter } from './metrics.ts'
export { type ParsedSpiffeId, parseSpiffeId, type ServiceName, serviceNames, spiffeId } from './names.ts'
export { toPem } from './pem.ts'
export { type Redacted, redactMessage } from './redact.ts'
export { watchHandshakes } from './refusals.ts'
export { RevocationList } from './revocation.ts'
export {
  type BoundService,
  createServer,
  implement,
  MESSAGE_BYTES_MAX,
  type MeshServer,
  type ServerOptions,
} from './server.ts'
export { createTokenVerifier, type TokenVerifierOptions } from './token.ts'
export {
  type CallContext,
  type CallOptions,
  type Client,
  type ClientMethod,
  type EdgeFacts,
  type MethodImpl,
  type MethodPolicy,
  type OutgoingContext,
  type Role,
  roles,
  type ServiceImpl,
  type ServicePolicy,
  type UserIdentity,
  userOf,
  type VerifyToken,
} from './types.ts'
