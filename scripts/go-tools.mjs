// Builds the tools of deploy/supply-chain/tools that are Go modules, pinned and checked by its go.sum, once per version of
// that folder. Prints the folder of the programs; other scripts import `goTools`.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'deploy/supply-chain/tools')
const packages = ['./composecheck', 'github.com/zricethezav/gitleaks/v8']

/** The folder that has the programs `composecheck` and `gitleaks`. */
export function goTools() {
  const hash = createHash('sha256')
  for (const file of ['go.mod', 'go.sum', 'composecheck/main.go']) hash.update(readFileSync(join(source, file)))
  const folder = join(root, '.bitka/tools', `go-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(folder)) return folder
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0)
    throw new Error(
      'Go is missing, which the checks of secrets and compose are built with: install golang-go (1.25 or newer)',
    )
  // Built beside and moved, so that an interrupted build leaves nothing that looks whole.
  const building = `${folder}.${process.pid}`
  mkdirSync(building, { recursive: true })
  try {
    const args = ['build', '-mod=readonly', '-trimpath', '-o', `${building}/`, ...packages]
    const env = { ...process.env, GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: '0' }
    const { status, stderr } = spawnSync('go', args, { cwd: source, env, stdio: ['ignore', 'inherit', 'pipe'] })
    if (status !== 0) throw new Error(`the Go tools did not build:\n${stderr}`)
    if (!existsSync(folder)) renameSync(building, folder)
  } finally {
    rmSync(building, { recursive: true, force: true })
  }
  return folder
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(goTools())
