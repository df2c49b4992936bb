import { join } from 'node:path'
import type { Workload } from '@bitka/dev-ca'
import { infrastructure, serviceTable } from '../table/index.ts'

/** Where the certificate files of a program that is not ours are, below the identity folder. */
export const filesDir = (dir: string, name: string): string => join(dir, 'files', name)

/** The roots of the mesh, for everybody to read: who speaks to PostgreSQL checks its certificate with them. */
export const bundleFile = (dir: string): string => join(dir, 'bundle', 'bundle.pem')

/** The socket of the Workload API of one workload. */
export const socketFile = (dir: string, name: string): string => join(dir, 'sockets', `${name}.sock`)

/** Everybody who gets an identity on a native stack; with `uids` each under the account of the table. */
export function nativeWorkloads(dir: string, uids: boolean): Workload[] {
  const account = (uid: number): { uid?: number } => (uids ? { uid } : {})
  return [
    ...serviceTable.map(({ name, uid }) => ({ name, ...account(uid) })),
    ...infrastructure.map(({ name, uid, dnsNames }) => ({
      name,
      dnsNames,
      filesDir: filesDir(dir, name),
      ...account(uid),
    })),
  ]
}
