import { chmod, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { runDir } from './run-dir.ts'

/** A new folder that is removed when the test run ends. Other accounts may pass through it, which a PostgreSQL of root needs. */
export async function tempDir(): Promise<string> {
  const folder = await mkdtemp(join(runDir(), 'd-'))
  await chmod(folder, 0o711)
  return folder
}
