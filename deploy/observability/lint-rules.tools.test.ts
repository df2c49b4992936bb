import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tempDir } from '@bitka/testkit'

const folder = dirname(fileURLToPath(import.meta.url))
const script = join(folder, '../../scripts/lint-rules.mjs')
/** The first run on a machine builds promtool. */
const TIMEOUT_MS = 600_000

type Change = readonly [file: string, from: string, to: string]

/** What lint says of a copy of our files in which some texts were replaced by others. */
async function lintWith(...changes: Change[]): Promise<{ status: number | null; said: string }> {
  const copy = await tempDir()
  for (const name of ['README.md', 'alerts.yaml', 'prometheus.yml', 'prometheus.k8s.yml', 'dashboards'])
    cpSync(join(folder, name), join(copy, name), { recursive: true })
  for (const [file, from, to] of changes) {
    const text = readFileSync(join(copy, file), 'utf8')
    expect(text).toContain(from)
    writeFileSync(join(copy, file), text.replace(from, to))
  }
  const { status, stderr } = spawnSync(process.execPath, [script, copy], { encoding: 'utf8' })
  return { status, said: stderr }
}

it(
  'passes what we have',
  async () => {
    expect(await lintWith()).toEqual({ status: 0, said: '' })
  },
  TIMEOUT_MS,
)

it(
  'fails for a rule that cannot be read',
  async () => {
    const { status, said } = await lintWith(['alerts.yaml', 'expr: up == 0', 'expr: up == '])
    expect(said).toContain('promtool check rules')
    expect(status).toBe(1)
  },
  TIMEOUT_MS,
)

it(
  'fails for a rule that fires at another time, reads what is not there or has no runbook, and for stale files',
  async () => {
    const { status, said } = await lintWith(
      ['alerts.yaml', 'max(bitka_ledger_unbalanced_assets) > 0', 'max(bitka_ledger_unbalanced_assets) > 1'],
      ['alerts.yaml', 'max by (partition) (bitka_matching_lag_records)', 'max by (topic) (bitka_matching_lag_records)'],
      ['alerts.yaml', 'runbooks.md#settlementlag', 'runbooks.md#nothing'],
      ['prometheus.yml', 'job_name: envoy', 'jobname: envoy'],
      ['dashboards/ledger.json', 'Settlement lag', 'Something else'],
      ['README.md', '`bitka_ready` | gauge', '`bitka_not_ready` | gauge'],
    )
    for (const problem of [
      'promtool test rules',
      'MatchingLag: nothing it reads has the label topic',
      'runbooks.md#nothing is no section',
      'promtool check config',
      'ledger.json is not what dashboards.ts makes',
      'NotReady: there is no metric bitka_ready',
    ])
      expect(said).toContain(problem)
    expect(status).toBe(1)
  },
  TIMEOUT_MS,
)
