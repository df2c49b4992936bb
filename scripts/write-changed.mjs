// Files that others may be reading at this moment: a test run starts programs and imports generated code while `make up` of
// one of its tests builds them again.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes a file whole or not at all, and not when it has this content already. */
export function writeChanged(file, content) {
  const bytes = Buffer.from(content)
  if (isThere(file, bytes)) return
  mkdirSync(dirname(file), { recursive: true })
  const fresh = `${file}.${process.pid}`
  writeFileSync(fresh, bytes)
  renameSync(fresh, file)
}

function isThere(file, bytes) {
  try {
    return readFileSync(file).equals(bytes)
  } catch {
    return false
  }
}
