// Checks alert rules, their tests, dashboards and Prometheus's configuration. An argument names another folder than ours.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goTools } from './go-tools.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
// Without the discovery of clouds that we do not use, which is most of the build.
const tools = goTools('deploy/observability/tools', ['github.com/prometheus/prometheus/cmd/promtool'], 'remove_all_sd')
const program = ['--import', 'tsx', '--conditions=@bitka/source', 'deploy/observability/main.ts']
const args = [...program, 'check', join(tools, 'promtool'), ...process.argv.slice(2)]
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
