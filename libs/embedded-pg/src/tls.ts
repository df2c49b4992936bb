import { chown, writeFile } from 'node:fs/promises'
import type { Account } from './account.ts'
import type { Settings } from './settings.ts'

/** PEM files of a server that speaks TLS: its certificate (good for localhost), its key, and the roots its clients trust. */
export type TlsFiles = { certFile: string; keyFile: string; caFile: string }

/** What a client's URL says to be sure of the server: libpq's own words, which pg reads anew for each connection. */
export const tlsParameters = ({ caFile }: Pick<TlsFiles, 'caFile'>): string =>
  new URLSearchParams({ sslmode: 'verify-full', sslrootcert: caFile }).toString()

// No line for plaintext: such a connection is refused before any password is asked for.
const HBA = `hostssl all all 127.0.0.1/32 scram-sha-256
hostssl replication all 127.0.0.1/32 scram-sha-256
`

/** The settings of a server that takes TLS 1.3 only, with the access file they name. */
export async function tlsSettings(dataDir: string, tls: TlsFiles, account: Account | undefined): Promise<Settings> {
  const hba = `${dataDir}.hba.conf`
  await writeFile(hba, HBA, { mode: 0o600 })
  if (account) await chown(hba, account.uid, account.gid)
  return {
    ssl: 'on',
    ssl_min_protocol_version: 'TLSv1.3',
    ssl_cert_file: tls.certFile,
    ssl_key_file: tls.keyFile,
    hba_file: hba,
  }
}
