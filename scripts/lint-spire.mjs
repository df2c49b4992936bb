// The configurations of SPIRE: HCL as SPIRE reads it, and only settings that it knows. Shows first that it can fail.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goTools } from './go-tools.mjs'

const folder = join(dirname(fileURLToPath(import.meta.url)), '../deploy/spire')
const tool = join(goTools('deploy/spire/tools', ['./hclcheck']), 'hclcheck')
const files = readdirSync(folder, { recursive: true })
  .filter((file) => file.endsWith('.conf'))
  .map((file) => join(folder, file))
const check = (...args) => spawnSync(tool, args, { encoding: 'utf8' })

const scratch = mkdtempSync(join(tmpdir(), 'bitka-lint-spire-'))
const broken = {
  'a misspelt setting': (text) => text.replace('trust_domain', 'trust_domian'),
  'a block that is not closed': (text) => text.replace(/\}\s*$/, ''),
  'a setting given twice': (text) => text.replace(/^ {2}log_format = .*$/m, '$&\n$&'),
}
let failed = false
for (const [what, breakIt] of Object.entries(broken)) {
  const file = join(scratch, 'broken.conf')
  writeFileSync(file, breakIt(readFileSync(files[0], 'utf8')))
  if (check(file).status === 1) continue
  console.error(`the check of SPIRE's configurations does not see ${what}`)
  failed = true
}
rmSync(scratch, { recursive: true })

const { status, stderr } = check(...files)
process.stderr.write(stderr)
if (status !== 0 || failed || files.length === 0) process.exit(1)
console.log(`${files.length} configurations of SPIRE are good`)
