export { type DevCa, type DevCaOptions, startDevCa, type Workload } from './dev-ca.ts'
export { issueForeignSvid, type Svid } from './svid.ts'
export { svidFiles } from './svid-files.ts'
