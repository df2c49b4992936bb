export { type DevCa, type DevCaOptions, startDevCa } from './dev-ca.ts'
export { issueForeignSvid, type Svid } from './svid.ts'
