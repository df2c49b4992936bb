import { z } from 'zod'
import type { CheckSignature, Sign } from './sign.ts'
import { type BackupStore, getText } from './store.ts'

/** What is known of a base backup without opening it. Written last: a backup without a manifest does not exist. */
const manifestSchema = z.object({
  version: z.literal(1),
  id: z.string().regex(/^\d{8}T\d{9}Z$/),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** PostgreSQL's own number of the cluster: copies of it share it. */
  systemIdentifier: z.string().regex(/^\d+$/),
  serverVersion: z.string(),
  /** The cluster is consistent from stopLsn on. */
  startLsn: z.string(),
  stopLsn: z.string(),
  /** The first segment that a restore needs; the archive keeps it and all later ones. */
  firstWal: z.string().regex(/^[0-9A-F]{24}$/),
  lastWal: z.string().regex(/^[0-9A-F]{24}$/),
  /** How large the server's segments are; needed to count them. */
  segmentBytes: z.number().int().min(1_048_576),
  object: z.object({ key: z.string(), bytes: z.number().int(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  /** What is inside: so many files, so many bytes of them. */
  files: z.number().int(),
  fileBytes: z.number().int(),
  recipients: z.array(z.string()),
  /** Over all of the above, when the server has a key to sign with. */
  signature: z.base64().optional(),
})
export type Manifest = z.infer<typeof manifestSchema>

/** What is signed of a manifest: its fields in the order above. */
const statementOf = (manifest: Manifest): Buffer =>
  Buffer.from(`bitka backup\n${JSON.stringify({ ...manifestSchema.parse(manifest), signature: undefined })}`)

export const signed = (manifest: Manifest, sign: Sign | undefined): Manifest =>
  sign ? { ...manifest, signature: sign(statementOf(manifest)) } : manifest

/** @throws when nobody whom we know has signed it */
export const checkManifest = (manifest: Manifest, check: CheckSignature): void =>
  check(`the backup ${manifest.id}`, statementOf(manifest), manifest.signature)

export const BASE = 'base/'
export const manifestKey = (id: string): string => `${BASE}${id}/manifest.json`
export const baseKey = (id: string): string => `${BASE}${id}/base.tar.gz.age`

/** Sorts by time: 20261123T025900123Z. */
export const idAt = (at: Date): string => at.toISOString().replace(/[-:.]/g, '')

/** Every finished backup, oldest first. */
export async function listBackups(store: BackupStore): Promise<Manifest[]> {
  const keys = (await store.list(BASE)).filter((key) => key.endsWith('/manifest.json'))
  const manifests = await Promise.all(
    keys.map(async (key) => manifestSchema.parse(JSON.parse(await getText(store, key)))),
  )
  return manifests.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** One by its id, or the newest. */
export async function findBackup(store: BackupStore, id: string | 'latest'): Promise<Manifest> {
  const all = await listBackups(store)
  const found = id === 'latest' ? all.at(-1) : all.find((manifest) => manifest.id === id)
  if (!found) throw new Error(id === 'latest' ? 'there is no backup' : `there is no backup ${id}`)
  return found
}
