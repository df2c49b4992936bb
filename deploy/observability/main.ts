import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dashboardFile, problemsOf } from './check.ts'
import { toGrafana } from './dashboard.ts'
import { dashboards } from './dashboards.ts'

const own = dirname(fileURLToPath(import.meta.url))
const [command = '', promtool = '', folder = own] = process.argv.slice(2)

/** `generate` writes the dashboards (`npx biome format --write` gives them the repository's form); `check PROMTOOL [FOLDER]` says what is wrong with a folder, and ends with 1 if anything is. */
if (command === 'generate') {
  mkdirSync(join(own, 'dashboards'), { recursive: true })
  for (const dashboard of dashboards)
    writeFileSync(dashboardFile(own, dashboard.uid), JSON.stringify(toGrafana(dashboard), null, 2))
} else if (command === 'check' && promtool !== '') {
  const problems = problemsOf(folder, promtool, join(own, '../../docs/operations/runbooks.md'))
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
} else {
  process.stderr.write('usage: main.ts generate | check PROMTOOL [FOLDER]\n')
  process.exitCode = 2
}
