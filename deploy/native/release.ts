import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { isOpen, repository } from './home.ts'

/** Packages that the bundles leave in node_modules (scripts/build.mjs), beside those of PostgreSQL. */
const externals = ['argon2', 'kafkajs', 'swagger-ui-dist']
/** Folders that programs look for beside themselves. */
const folders = ['dist', 'libs/events/migrations', 'embedded/src/seed.json']

/**
 * Copies what the services need to run, and nothing else, to a folder that their accounts can read. Made whole under another
 * name first.
 */
export function makeRelease(home: string, services: readonly string[]): string {
  const root = repository()
  const release = join(home, 'release')
  const next = `${release}.next`
  rmSync(next, { recursive: true, force: true })
  // What is packed for containers lies beside the bundles.
  const images = join(root, 'dist', 'images')
  const copy = (from: string, to: string): void =>
    cpSync(from, to, { recursive: true, dereference: true, filter: (path) => path !== images })
  for (const folder of [...folders, ...services.map((name) => `services/${name}/migrations`)]) {
    if (existsSync(join(root, folder))) copy(join(root, folder), join(next, folder))
  }
  for (const [name, folder] of closure(root, externals)) copy(folder, join(next, 'node_modules', name))
  rmSync(release, { recursive: true, force: true })
  renameSync(next, release)
  return release
}

/** Every package that these need, with where it is installed. One version of each, as npm has hoisted them. */
function closure(root: string, names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>()
  const visit = (name: string, from: string): void => {
    if (found.has(name)) return
    const folder = packageFolder(name, from)
    if (folder === undefined) return
    found.set(name, folder)
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>
    }
    for (const dependency of Object.keys(dependencies)) visit(dependency, folder)
  }
  for (const name of names) visit(name, root)
  return found
}

/** Where Node would find a package from a folder; not every package lets its package.json be required. */
function packageFolder(name: string, from: string): string | undefined {
  const lookup = createRequire(join(from, 'package.json')).resolve.paths(name) ?? []
  const folder = lookup.map((path) => join(path, name)).find((path) => existsSync(join(path, 'package.json')))
  return folder && realpathSync(folder)
}

/** A Node that the services' accounts can run: this one, or a copy. */
export function reachableNode(home: string): string {
  const node = realpathSync(process.execPath)
  if (isOpen(dirname(node))) return node
  const copy = join(home, 'parts', 'node', 'node')
  mkdirSync(dirname(copy), { recursive: true, mode: 0o755 })
  cpSync(node, copy)
  return copy
}
