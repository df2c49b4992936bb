export { assertFree, freePorts } from './ports.ts'
export * from './supervisor.ts'
