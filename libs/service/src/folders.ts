import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * A folder of the repository or of an image, found by walking up from this file: the same in the source tree and in a
 * bundle under dist/.
 */
export function repositoryFolder(relative: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const candidate = join(folder, relative)
    if (existsSync(candidate)) return candidate
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`the folder ${relative} is missing`)
    folder = parent
  }
}
