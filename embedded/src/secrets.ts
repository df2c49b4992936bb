import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const shape = z.object({
  /** Role → password. */
  database: z.record(z.string(), z.string()),
  /** Wraps auth's signing keys; 32 bytes in base64. */
  authKek: z.string(),
  /** The mail provider's signing key and API key of the embedded mail sink. */
  mailSigningKey: z.string(),
  mailApiKey: z.string(),
})

/** What the embedded exchange needs to come back with all its data. Kept in one file that only its owner can read. */
export type Secrets = z.infer<typeof shape>

const random = (bytes: number): string => randomBytes(bytes).toString('base64url')

/** Reads the secrets of a data directory, or makes them at the first start. `roles` are the database roles to have. */
export function loadSecrets(dataDir: string, roles: readonly string[]): Secrets {
  const file = join(dataDir, 'secrets.json')
  const stored = existsSync(file) ? shape.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined
  const secrets: Secrets = stored ?? {
    database: {},
    authKek: randomBytes(32).toString('base64'),
    mailSigningKey: random(24),
    mailApiKey: random(24),
  }
  const missing = roles.filter((role) => secrets.database[role] === undefined)
  for (const role of missing) secrets.database[role] = random(24)
  if (!stored || missing.length > 0) writeWhole(file, `${JSON.stringify(secrets, null, 2)}\n`)
  return secrets
}

/** Writes a file so that after a crash it is the old one or the new one, never half of it. */
function writeWhole(file: string, content: string): void {
  const next = `${file}.next`
  writeFileSync(next, content, { mode: 0o600 })
  const handle = openSync(next, 'r')
  fsyncSync(handle)
  closeSync(handle)
  renameSync(next, file)
}
