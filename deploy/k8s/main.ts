import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@bitka/kernel'
import { stringify } from 'yaml'
import { newSecrets, secretManifest } from './new-secrets.ts'
import { renderAll } from './render.ts'

const USAGE = `usage: main.ts              writes the generated files of k8s/
       main.ts secrets k3s  prints new Secrets, for kubectl create -f -
       main.ts secrets gke  prints those of the exchange one a line, {"name", "value"}, for Secret Manager
`

/** Writes every generated file of k8s/, and removes those that are no more. */
function writeAll(): void {
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
}

/** Prints what must never be in a file. */
function printSecrets(overlay: 'gke' | 'k3s'): void {
  for (const secret of newSecrets(overlay, process.env)) {
    const { name, values } = secret
    const entry = JSON.stringify({ name: `bitka-${name}`, value: values })
    process.stdout.write(
      overlay === 'gke' ? `${entry}\n` : `---\n${stringify(secretManifest(secret), { version: '1.1' })}`,
    )
  }
}

const [command, overlay, ...more] = process.argv.slice(2)
try {
  if (command === undefined) writeAll()
  else if (command === 'secrets' && (overlay === 'gke' || overlay === 'k3s') && more.length === 0) printSecrets(overlay)
  else throw new ConfigError(USAGE)
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
