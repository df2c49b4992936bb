import { chown, mkdir, mkdtemp, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { toPem } from '@bitka/mesh'
import type { Issued } from './authority.ts'

/** What a program that cannot speak the Workload API reads. */
export type SvidFiles = {
  /** The certificate chain. */
  certFile: string
  /** Its key, PKCS#8. */
  keyFile: string
  /** Key and chain in one file, as Kafka reads them. */
  keystoreFile: string
  /** All roots to trust. */
  caFile: string
}

const CURRENT = '..data'

/** Where the files of a folder are. */
export const svidFiles = (dir: string): SvidFiles => ({
  certFile: join(dir, 'svid.pem'),
  keyFile: join(dir, 'key.pem'),
  keystoreFile: join(dir, 'keystore.pem'),
  caFile: join(dir, 'bundle.pem'),
})

/** An identity as the files hold it. */
export type SvidPem = { certificatePem: string; privateKeyPem: string; bundlePem: string }

/** The files of an identity that was just issued. */
export const writeSvidFiles = (
  dir: string,
  { certificateDer, keyDer }: Issued,
  bundlePem: string,
  uid: number | undefined,
): Promise<void> =>
  writeSvidPem(
    dir,
    { certificatePem: toPem('CERTIFICATE', certificateDer), privateKeyPem: toPem('PRIVATE KEY', keyDer), bundlePem },
    uid,
  )

/**
 * Replaces all files at once: each is a link into the folder `..data` points to, and that one link is renamed, as
 * Kubernetes does it with secrets. A reader never sees a new certificate with an old key, and a watcher sees one move.
 */
export async function writeSvidPem(dir: string, pem: SvidPem, uid?: number): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const next = await mkdtemp(join(dir, '..svid-'))
  const contents = {
    'svid.pem': pem.certificatePem,
    'key.pem': pem.privateKeyPem,
    'keystore.pem': `${pem.privateKeyPem}${pem.certificatePem}`,
    'bundle.pem': pem.bundlePem,
  }
  for (const [name, content] of Object.entries(contents)) {
    await writeFile(join(next, name), content, { mode: 0o600 })
    if (uid !== undefined) await chown(join(next, name), uid, uid)
    await symlink(join(CURRENT, name), join(dir, name)).catch(ignoreExisting)
  }
  if (uid !== undefined) for (const folder of [dir, next]) await chown(folder, uid, uid)
  const link = join(dir, `${CURRENT}.next`)
  await rm(link, { force: true })
  await symlink(basename(next), link)
  await rename(link, join(dir, CURRENT))
  await removeOlder(dir)
}

const ignoreExisting = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EEXIST') throw error
}

async function removeOlder(dir: string): Promise<void> {
  const current = await readlink(join(dir, CURRENT))
  for (const name of await readdir(dir)) {
    if (name.startsWith('..svid-') && name !== current) await rm(join(dir, name), { recursive: true, force: true })
  }
}

/** Replaces a file that everybody may read: whoever opens it has the old one or the new one. */
export async function writeWhole(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o711 })
  await writeFile(`${file}.next`, content, { mode: 0o644 })
  await rename(`${file}.next`, file)
}
