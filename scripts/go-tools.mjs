// Builds tools that are Go modules, pinned and checked by the go.sum of their folder, once per version of that folder.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * The folder of the built programs.
 * @param source the folder of go.mod and go.sum, from the repository's root
 * @param packages what to build: './name' of that module, or a package that it requires
 * @param tags build tags, comma-separated
 */
export function goTools(
  source = 'deploy/supply-chain/tools',
  packages = ['./composecheck', './imagecheck', 'github.com/zricethezav/gitleaks/v8'],
  tags = '',
) {
  const from = join(root, source)
  const hash = createHash('sha256').update([...packages, tags].join(' ').trim())
  const sources = readdirSync(from, { recursive: true }).filter((file) => /(^go\.(mod|sum)|\.go)$/.test(file))
  for (const file of sources.sort()) hash.update(file).update(readFileSync(join(from, file)))
  const folder = join(root, '.bitka/tools', `${source.replaceAll('/', '-')}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(folder)) return folder
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0)
    throw new Error('Go is missing, which tools of the checks are built with: install golang-go (1.26 or newer)')
  // Built beside and moved, so that an interrupted build leaves nothing that looks whole.
  const building = `${folder}.${process.pid}`
  mkdirSync(building, { recursive: true })
  try {
    const args = ['build', '-mod=readonly', '-trimpath', '-tags', tags, '-o', `${building}/`, ...packages]
    const env = { ...process.env, GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: '0' }
    const { status, stderr } = spawnSync('go', args, { cwd: from, env, stdio: ['ignore', 'inherit', 'pipe'] })
    if (status !== 0) throw new Error(`the Go tools of ${source} did not build:\n${stderr}`)
    try {
      renameSync(building, folder)
    } catch (error) {
      // Another process has built the same meanwhile.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    }
  } finally {
    rmSync(building, { recursive: true, force: true })
  }
  return folder
}
