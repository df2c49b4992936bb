export { operatorRpcPaths } from './operator-methods.ts'
export type { EdgeOptions, EdgePorts } from './options.ts'
export { edgePorts, render, type Target, targets } from './render.ts'
export { CALLER, startTestEdge, type TestEdge, type TestEdgeOptions, TRUST_DOMAIN } from './test-edge.ts'
