// Asks the registry for known weaknesses of the locked packages and compares them with the committed exceptions. An
// exception has a reason and a day on which it ends. Options for tests: --report FILE, --exceptions FILE, --today DAY.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: { report: { type: 'string' }, exceptions: { type: 'string' }, today: { type: 'string' } },
})
const today = values.today ?? new Date().toISOString().slice(0, 10)
const exceptions = JSON.parse(
  readFileSync(values.exceptions ?? join(root, 'deploy/supply-chain/audit-exceptions.json'), 'utf8'),
)
const problems = []
for (const { id, reason, expires } of exceptions) {
  if (!/^\d{4}-\d\d-\d\d$/.test(expires ?? '') || !reason) problems.push(`${id}: an exception needs a reason and a day`)
  else if (expires < today) problems.push(`${id}: the exception ended on ${expires}`)
}

const report = values.report ? readFileSync(values.report, 'utf8') : askRegistry()
const { vulnerabilities, message } = parse(report)
if (vulnerabilities === undefined) {
  console.log(`audit: the registry gives no advisories here, so nothing was compared (${message ?? 'no answer'})`)
} else {
  const found = advisories(vulnerabilities)
  const excused = new Set(exceptions.map(({ id }) => id))
  for (const [id, text] of found) if (!excused.has(id)) problems.push(text)
  for (const id of excused) if (!found.has(id)) problems.push(`${id}: the exception is not needed any more; remove it`)
  console.log(`audit: ${found.size} advisories, ${excused.size} exceptions`)
}
for (const problem of problems) console.error(`audit: ${problem}`)
process.exit(problems.length > 0 ? 1 : 0)

function askRegistry() {
  const args = ['audit', '--json', '--fetch-retries=1', '--fetch-timeout=20000']
  return spawnSync('npm', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).stdout
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

/** Advisory id → one sentence. An entry of `via` that is only a name points to another entry. */
function advisories(vulnerabilities) {
  const found = new Map()
  for (const { via } of Object.values(vulnerabilities)) {
    for (const advisory of via) {
      if (typeof advisory === 'string') continue
      const id = advisory.url?.split('/').at(-1) ?? String(advisory.source)
      found.set(id, `${id}: ${advisory.severity}: ${advisory.name} ${advisory.range}: ${advisory.title}`)
    }
  }
  return found
}
