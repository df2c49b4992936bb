// Has Envoy itself read the edge's configuration for every way of running. An argument names another folder than ours.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const [folder = 'deploy/envoy/rendered'] = process.argv.slice(2)
// The cluster's copies, one of them changed for the cloud that it is in.
const further = ['k8s/base/generated/envoy/envoy.yaml', 'k8s/overlays/gke/generated/envoy.yaml']
const program = ['--import', 'tsx', '--conditions=@bitka/source', 'deploy/envoy/main.ts']
const args = [...program, 'validate', folder, ...further.filter((file) => existsSync(join(root, file)))]
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
