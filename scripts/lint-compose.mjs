// Reads deploy/compose.yaml as `docker compose config` would, without Docker, and holds it to our rules: one door, no rights,
// limits, health checks, no secret in an environment. Options for tests: --file FILE..., --env FILE; --print shows the result.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { goTools } from './go-tools.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const release = join(root, 'deploy/compose/release.yaml')
const { values } = parseArgs({
  options: {
    file: {
      type: 'string',
      multiple: true,
      default: [join(root, 'deploy/compose.yaml'), ...(existsSync(release) ? [release] : [])],
    },
    env: { type: 'string', default: join(root, 'deploy/compose/env.example') },
    print: { type: 'boolean', default: false },
  },
})

/** What breaks a rule, and why it must. */
const allowed = {
  root: {
    init: 'gives the secrets their owners, once, by hand',
    collector: 'the log files of containers are root’s',
  },
  caps: { init: ['CHOWN', 'DAC_OVERRIDE'], collector: ['DAC_READ_SEARCH'] },
  hostPid: {
    'spire-agent': 'a caller’s process is known by its number on the host',
    'node-exporter': 'counts the host’s processes',
  },
  dockerSocket: { 'spire-agent': 'asks Docker for a caller’s labels' },
  noHealthcheck: {
    loki: 'its image has no program to ask with',
    tempo: 'its image has no program to ask with',
    collector: 'its image has no program to ask with',
    'node-exporter': 'nothing waits for it',
    backup: 'Prometheus sees the age of the newest backup',
  },
}
const internal = ['mesh', 'data', 'identity', 'observe']

const args = ['--env', values.env, ...values.file]
const checked = spawnSync(join(goTools(), 'composecheck'), args, { encoding: 'utf8', maxBuffer: 1 << 26 })
if (checked.status !== 0) {
  console.error(`compose: ${checked.stderr.trim()}`)
  process.exit(1)
}
const project = JSON.parse(checked.stdout)
const problems = [
  ...internal.filter((name) => !project.networks[name]?.internal).map((name) => `the network ${name} must be internal`),
  ...Object.entries(project.services).flatMap(([name, service]) =>
    [...problemsOf(name, service)].map((problem) => `${name}: ${problem}`),
  ),
]
for (const problem of problems) console.error(`compose: ${problem}`)
if (values.print) console.log(checked.stdout)
process.exit(problems.length > 0 ? 1 : 0)

function* problemsOf(name, service) {
  const networks = Object.keys(service.networks ?? {})
  if (name !== 'envoy' && service.ports?.length) yield 'only Envoy publishes ports'
  if (name !== 'envoy' && networks.includes('edge')) yield 'only Envoy is on the edge network'
  if (networks.length === 0 && service.network_mode !== 'none') yield 'name its networks, or network_mode none'
  if (service.network_mode && service.network_mode !== 'none') yield `network_mode ${service.network_mode}`

  if (!/^\d+:\d+$/.test(service.user ?? '')) yield 'needs user: uid:gid'
  if (/^0:|:0$/.test(service.user ?? '') && !allowed.root[name]) yield 'runs as root'
  if (!service.read_only) yield 'needs read_only'
  if (service.cap_drop?.join() !== 'ALL') yield 'needs cap_drop: [ALL]'
  const more = (service.cap_add ?? []).filter((cap) => !allowed.caps[name]?.includes(cap))
  if (more.length > 0) yield `must not have ${more.join(', ')}`
  if (!service.security_opt?.includes('no-new-privileges:true')) yield 'needs no-new-privileges'
  for (const key of ['privileged', 'devices', 'ipc', 'userns_mode']) if (service[key]) yield `must not have ${key}`
  if (service.pid && !allowed.hostPid[name]) yield `must not have pid: ${service.pid}`
  for (const { source } of service.volumes ?? [])
    if (/docker\.sock$/.test(source ?? '') && !allowed.dockerSocket[name]) yield 'must not reach Docker'

  for (const limit of ['mem_limit', 'cpus', 'pids_limit']) if (!(Number(service[limit]) > 0)) yield `needs ${limit}`
  const isJob = service.restart === 'no' || service.restart?.startsWith('on-failure')
  if (!service.restart) yield 'needs restart'
  if (!isJob && !service.healthcheck && !allowed.noHealthcheck[name]) yield 'needs a healthcheck'
  if (!service.logging?.options?.['max-size']) yield 'needs a limit for its log'
  if (!/[:@]/.test(service.image ?? '') || /:latest$/.test(service.image)) yield 'needs an image with a tag'
  for (const [key, value] of Object.entries(service.environment ?? {}))
    if (/(PASSWORD|SECRET|TOKEN|API_KEY|SIGNING_KEY|KEK|DB_URL)$/.test(key) && value)
      yield `${key}: as a file (${key}_FILE)`
}
