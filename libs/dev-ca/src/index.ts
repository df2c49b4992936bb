export { type DevCa, type DevCaOptions, startDevCa, type Workload } from './dev-ca.ts'
export { writeSpireSecrets } from './spire-secrets.ts'
export { issueForeignSvid, issueFromIntermediate, type Svid } from './svid.ts'
export { type SvidFiles, svidFiles, writeSvidPem, writeWhole } from './svid-files.ts'
