import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderAll } from './render.ts'

// Writes every generated file of k8s/, and removes those that are no more.
const root = fileURLToPath(new URL('../../k8s', import.meta.url))
const files = renderAll()
const isGenerated = (path: string): boolean => /(^|\/)generated\//.test(path)
for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name).slice(root.length + 1)
  if (entry.isFile() && isGenerated(path) && !files.has(path)) rmSync(join(root, path))
}
for (const [path, text] of files) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}
process.stdout.write(`k8s: ${files.size} files\n`)
