import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from './cleanup.ts'

/** A folder for one part of the bench, removed at its end. PostgreSQL of root runs as somebody else and must pass through it. */
export function tempFolder(cleanup: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'bitka-bench-'))
  chmodSync(folder, 0o711)
  cleanup.add('folder', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
