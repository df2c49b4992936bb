export { type DevCa, type DevCaOptions, startDevCa, type Workload } from './dev-ca.ts'
export { issueForeignSvid, type Svid } from './svid.ts'
export { svidFiles, writeSvidPem, writeWhole } from './svid-files.ts'
