import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tempDir } from '@bitka/testkit'
import { parse, stringify } from 'yaml'
import { stackHome } from '../native/home.ts'
import { ensureEnvoy } from '../native/parts.ts'
import { validate } from './validate.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const rendered = join(root, 'deploy/envoy/rendered')

/** make lint's check of a folder of configurations. */
function lint(folder: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/lint-envoy.mjs', folder], {
    cwd: root,
    encoding: 'utf8',
    // The first run on a machine installs Envoy.
    timeout: 600_000,
  })
  return { status, said: stdout + stderr }
}

/** Our files, with something broken in one of them. */
async function broken(name: string, right: string, wrong: string): Promise<string> {
  const folder = await tempDir()
  cpSync(rendered, folder, { recursive: true })
  const text = readFileSync(join(folder, name), 'utf8')
  expect(text).toContain(right)
  writeFileSync(join(folder, name), text.replace(right, wrong))
  return folder
}

/** What Envoy finds wrong in a folder of configurations. */
const problems = async (folder: string): Promise<string> =>
  [...(await validate(await ensureEnvoy(stackHome()), folder))].flatMap(([name, said]) => [name, ...said]).join('\n')

it('lint passes what is committed, and the configuration of the native stack, and fails when one is broken', async () => {
  const good = lint(rendered)
  expect(good).toEqual({ status: 0, said: expect.stringMatching(/^native: ok$/m) })
  const bad = lint(await broken('compose.yaml', 'lb_policy: LEAST_REQUEST', 'lb_police: LEAST_REQUEST'))
  expect(bad).toEqual({ status: 1, said: expect.stringContaining('lb_police') })
}, 900_000)

it.each([
  ['a cluster that there is not', 'k8s.yaml', 'cluster: gateway_grpc', 'cluster: gateway_rpc', "'gateway_rpc'"],
  ['what is no YAML', 'compose.yaml', 'static_resources:', 'static_resources', 'illegal map value'],
])(
  'Envoy finds %s',
  async (_, name, right, wrong, word) => {
    expect(await problems(await broken(name, right, wrong))).toContain(word)
  },
  900_000,
)

it('what Envoy warns of is a problem', async () => {
  const folder = await tempDir()
  cpSync(rendered, folder, { recursive: true })
  const file = join(folder, 'compose.yaml')
  const config = parse(readFileSync(file, 'utf8'))
  // Envoy can serve files itself, and says that this is not for the world yet.
  config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters.unshift({
    name: 'files',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.file_server.v3.FileServerConfig',
      path_mappings: [{ request_path_prefix: '/x', file_path_prefix: '/tmp' }],
    },
  })
  writeFileSync(file, stringify(config))
  expect(await problems(folder)).toContain('work-in-progress')
}, 900_000)
