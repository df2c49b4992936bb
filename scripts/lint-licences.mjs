// Every package that ships in an image, or that `make up` installs, must have a licence of the list; others need an exception
// with a reason. Options for tests: --lock FILE, --rules FILE.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({ options: { lock: { type: 'string' }, rules: { type: 'string' } } })
const read = (file) => JSON.parse(readFileSync(file, 'utf8'))
const { packages } = read(values.lock ?? join(root, 'package-lock.json'))
const { allowed, exceptions } = read(values.rules ?? join(root, 'deploy/supply-chain/licences.json'))

const problems = []
const used = new Set()
let count = 0
for (const [path, entry] of Object.entries(packages)) {
  const [, name] = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? []
  // Without a name it is a folder of ours, with a link it points to one.
  if (name === undefined || entry.link || entry.dev) continue
  count += 1
  const licence = entry.license ?? installedLicence(path)
  if (satisfied(licence)) continue
  const exception = exceptions[name]
  if (exception?.reason && exception.licence === licence) used.add(name)
  else problems.push(`${name} ${entry.version}: ${licence ?? 'no licence is stated'}`)
}
for (const name of Object.keys(exceptions))
  if (!used.has(name)) problems.push(`${name}: the exception is not needed any more; remove it`)
for (const problem of problems) console.error(`licences: ${problem}`)
console.log(`licences: ${count} packages that ship, ${used.size} exceptions`)
process.exit(problems.length > 0 ? 1 : 0)

/** An SPDX expression without nested brackets: "(MIT OR CC0-1.0)", "MIT AND ISC". */
function satisfied(licence) {
  if (typeof licence !== 'string') return false
  return licence
    .replace(/^\((.*)\)$/, '$1')
    .split(/ OR /)
    .some((choice) => choice.split(/ AND /).every((name) => allowed.includes(name)))
}

function installedLicence(path) {
  try {
    return read(join(root, path, 'package.json')).license
  } catch {
    return undefined
  }
}
