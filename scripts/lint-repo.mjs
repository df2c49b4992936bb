// Rules about the repository itself: no machine's paths, no registry hosts, no secrets, no focused tests, no unfinished marks.
import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const self = ':!scripts/lint-repo.mjs'
const rules = [
  ['a path of somebody’s machine', '(^|[^a-zA-Z0-9_.])/(work|root|home/[a-z]+)/', ['.', ':!*.md', self]],
  ['a download address in a lockfile', '"resolved": *"http', ['*.json', self]],
  [
    'a focused or skipped test',
    '\\b(it|test|describe)\\.(skip|only|todo)\\b|\\bx(it|describe)\\(',
    ['*.ts', '*.tsx', self],
  ],
  [
    'an unfinished mark',
    '\\b(TODO|FIXME|XXX|HACK)\\b|[Nn]ot (yet )?implemented',
    ['*.ts', '*.tsx', '*.proto', '*.yaml', self],
  ],
  ['a private key', '-----BEGIN [A-Z ]*PRIVATE KEY-----$', ['.', self]],
  ['a cloud key', '\\b(AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|xox[baprs]-[A-Za-z0-9-]{10,})\\b', ['.', self]],
  ['a silenced type check', '@ts-(ignore|nocheck)', ['*.ts', '*.tsx', self]],
]
let bad = 0
for (const [what, pattern, paths] of rules) {
  let found = ''
  try {
    found = execFileSync('git', ['grep', '-nIE', '-e', pattern, '--', ...paths], { cwd: root }).toString()
  } catch (error) {
    // git grep exits with 1 when nothing matches.
    if (error.status !== 1) throw error
  }
  for (const line of found.split('\n').filter(Boolean)) {
    bad += 1
    console.error(`${what}: ${line.slice(0, 160)}`)
  }
}
if (bad > 0) process.exit(1)
