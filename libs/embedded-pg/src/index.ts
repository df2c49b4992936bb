export { type Account, accountFor } from './account.ts'
export { type EmbeddedPostgres, type StartOptions, startPostgres } from './start.ts'
export { type TlsFiles, tlsParameters } from './tls.ts'
