// Runs every check that needs no running exchange, all of them even when one fails, and says which failed.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name) => join(root, 'node_modules/.bin', name)

/** The contracts on main as a buf image, or undefined when there is nothing to compare with. */
function mainContracts(folder) {
  const git = (...args) =>
    execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  try {
    const base =
      process.env.BITKA_BREAKING_BASE ?? (git('rev-parse', '--abbrev-ref', 'HEAD') === 'main' ? 'HEAD~1' : 'main')
    git('rev-parse', '--verify', `${base}:proto`)
    const tree = join(folder, 'tree')
    // buf cannot read a module whose other half is git-ignored: build the image from a worktree that has both halves.
    git('worktree', 'add', '--detach', tree, base)
    try {
      execFileSync('cp', ['-r', join(root, 'third_party'), tree])
      const image = join(folder, 'main.binpb')
      execFileSync(bin('buf'), ['build', '-o', image], { cwd: tree, stdio: ['ignore', 'ignore', 'inherit'] })
      return image
    } finally {
      git('worktree', 'remove', '--force', tree)
    }
  } catch {
    return undefined
  }
}

const folder = mkdtempSync(join(tmpdir(), 'bitka-lint-'))
const against = mainContracts(folder)
const checks = [
  ['biome', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['types', bin('tsc'), ['--noEmit', '-p', 'tsconfig.json']],
  [
    'layout',
    bin('depcruise'),
    ['--config', '.dependency-cruiser.cjs', 'libs', 'services', 'gateway', 'embedded', 'deploy', 'bench', 'test'],
  ],
  ['unused', bin('knip'), ['--no-progress']],
  ['contracts', bin('buf'), ['lint']],
  ['contract format', bin('buf'), ['format', '--diff', '--exit-code', 'proto']],
  ['data classes', process.execPath, ['scripts/lint-proto.mjs']],
  ['repository', process.execPath, ['scripts/lint-repo.mjs']],
  ['compose', process.execPath, ['scripts/lint-compose.mjs']],
  ['images', process.execPath, ['scripts/lint-images.mjs']],
  ['secrets', process.execPath, ['scripts/lint-secrets.mjs']],
  ['licences', process.execPath, ['scripts/lint-licences.mjs']],
  ['advisories', process.execPath, ['scripts/lint-audit.mjs']],
  ['alert rules', process.execPath, ['scripts/lint-rules.mjs']],
  ['envoy', process.execPath, ['scripts/lint-envoy.mjs']],
  ['SPIRE', process.execPath, ['scripts/lint-spire.mjs']],
  ['Kubernetes', process.execPath, ['scripts/lint-k8s.mjs']],
]
if (against) {
  // Image against image: of a workspace with two modules buf would make two inputs.
  const current = join(folder, 'current.binpb')
  execFileSync(bin('buf'), ['build', '-o', current], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const config = JSON.stringify({ version: 'v2', breaking: { use: ['FILE'] } })
  const args = ['breaking', current, '--against', against, '--config', config, '--exclude-imports']
  checks.push(['breaking contracts', bin('buf'), args])
} else console.log('breaking contracts: nothing to compare with (no earlier contracts in this clone)')

const failed = []
for (const [name, command, args] of checks) {
  const startedMs = performance.now()
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  console.log(
    `${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`,
  )
  if (status !== 0) failed.push(name)
}
rmSync(folder, { recursive: true, force: true })
if (failed.length > 0) {
  console.error(`lint failed: ${failed.join(', ')}`)
  process.exit(1)
}
