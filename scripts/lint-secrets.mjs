// Scans every commit of the history, and what is not committed yet, for secrets. What may be found is listed in
// deploy/supply-chain/gitleaks.toml. A secret that was ever pushed is lost: change it, whatever happens to the history.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goTools } from './go-tools.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const repository = process.argv[2] ?? root
const gitleaks = join(goTools(), 'gitleaks')
const config = join(root, 'deploy/supply-chain/gitleaks.toml')
// Redacted: the log of CI is no place for the secret either.
const common = ['--no-banner', '--no-color', '--log-level', 'warn', '--redact', '--verbose', '--config', config]

let failed = false
for (const [what, args] of [
  ['the history', ['git', ...common, repository]],
  ['what is changed', ['git', '--pre-commit', ...common, repository]],
  ['what is staged', ['git', '--pre-commit', '--staged', ...common, repository]],
]) {
  const { status } = spawnSync(gitleaks, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) {
    failed = true
    console.error(`secrets: found in ${what}`)
  }
}
process.exit(failed ? 1 : 0)
