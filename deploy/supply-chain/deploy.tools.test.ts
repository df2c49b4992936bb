import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { tempDir } from '@bitka/testkit'
import { stringify } from 'yaml'

const repository = dirname(repositoryFolder('deploy'))
const digest = `sha256:${'a'.repeat(64)}`

const object = (kind: string, name: string, phase?: string, image = `registry.example/${name}@${digest}`): object => ({
  apiVersion: kind === 'Kafka' ? 'kafka.strimzi.io/v1' : 'v1',
  kind,
  metadata: { name, ...(phase !== undefined && { labels: { 'bitka.phase': phase } }) },
  ...(['Deployment', 'StatefulSet', 'Job'].includes(kind) && { spec: { containers: [{ name, image }] } }),
})

const overlay = [
  object('Namespace', 'bitka'),
  object('Deployment', 'envoy', 'edge'),
  object('Deployment', 'order', 'run'),
  object('StatefulSet', 'matching', 'run'),
  object('Deployment', 'audit', 'run'),
  object('Job', 'migrate', 'prepare'),
  object('Kafka', 'bitka', 'prepare'),
]
const running = {
  'deployment/envoy': 'old',
  'deployment/order': 'old',
  'statefulset/matching': 'old',
  'deployment/audit': 'old',
}

type Scenario = {
  installed?: boolean
  broken?: string[]
  jobs?: Record<string, 'failed'>
  pods?: object[]
}

/** `make deploy` against a kubectl that writes down what it is asked. */
async function deploy(scenario: Scenario, options: { objects?: object[]; cluster?: object; args?: string[] } = {}) {
  const { objects = overlay, cluster = running, args = ['--overlay', 'k3s', '--context', 'site', '--yes'] } = options
  const folder = await tempDir()
  await mkdir(join(folder, 'bin'))
  await symlink(join(repository, 'deploy/supply-chain/test/kubectl.mjs'), join(folder, 'bin/kubectl'))
  await writeFile(join(folder, 'scenario.json'), JSON.stringify({ installed: true, ...scenario }))
  await writeFile(join(folder, 'cluster.json'), JSON.stringify(cluster))
  await writeFile(join(folder, 'overlay.yaml'), objects.map((one) => stringify(one)).join('---\n'))
  await writeFile(join(folder, 'calls'), '')
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(repository, 'scripts/deploy.mjs'), ...args], {
    env: { PATH: `${join(folder, 'bin')}:${process.env.PATH}`, FAKE_KUBECTL: folder },
    input: '',
    encoding: 'utf8',
  })
  const calls = readFileSync(join(folder, 'calls'), 'utf8').split('\n').filter(Boolean)
  return {
    status,
    out: stdout + stderr,
    calls,
    cluster: JSON.parse(readFileSync(join(folder, 'cluster.json'), 'utf8')),
  }
}

const changes = (calls: string[]): string[] => calls.filter((call) => / (apply|delete|rollout undo) /.test(call))

it('shows the difference, runs the jobs, then changes the services and last the edge', async () => {
  const { status, out, calls } = await deploy({})
  expect({ status, out }).toMatchObject({ status: 0 })
  expect(out).toContain('+ image: new')
  const steps = calls.filter((call) => !call.includes('get ') && !call.includes('condition=failed'))
  expect(steps).toEqual([
    'site: kustomize k8s/overlays/k3s',
    'site: diff -f - < namespace/bitka deployment/envoy deployment/order statefulset/matching deployment/audit kafka/bitka',
    'site: apply -f - < namespace/bitka kafka/bitka',
    'site: wait kafka.kafka.strimzi.io/bitka --for=condition=Ready --timeout=600s',
    'site: delete job/migrate --ignore-not-found --wait=true',
    'site: apply -f - < job/migrate',
    'site: wait job/migrate --for=condition=complete --timeout=900s',
    'site: apply -f - < deployment/order statefulset/matching deployment/audit',
    'site: rollout status deployment/order --timeout=600s',
    'site: rollout status statefulset/matching --timeout=600s',
    'site: rollout status deployment/audit --timeout=600s',
    'site: apply -f - < deployment/envoy',
    'site: rollout status deployment/envoy --timeout=600s',
  ])
})

it('takes back everything that it has changed when one service does not become ready', async () => {
  const { status, out, calls, cluster } = await deploy({ broken: ['deployment/audit'] })
  expect(status).toBe(1)
  expect(out).toContain('the release was taken back')
  expect(calls.filter((call) => call.includes('undo'))).toEqual([
    'site: rollout undo deployment/order',
    'site: rollout undo statefulset/matching',
    'site: rollout undo deployment/audit',
  ])
  // It waits for the old ones, and the edge was never touched.
  const last = calls.slice(calls.findLastIndex((call) => call.includes('undo')) + 1)
  for (const name of ['deployment/order', 'statefulset/matching', 'deployment/audit'])
    expect(last).toContain(`site: rollout status ${name} --timeout=600s`)
  expect(calls.filter((call) => call.includes('apply') && call.includes('envoy'))).toEqual([])
  expect(cluster).toEqual(running)
})

it('takes the services back with the edge when only the edge fails', async () => {
  const { status, cluster } = await deploy({ broken: ['deployment/envoy'] })
  expect({ status, cluster }).toEqual({ status: 1, cluster: running })
})

it('removes the pods that a StatefulSet would wait for for ever, and no others', async () => {
  const pod = (name: string, ready: string): object => ({
    metadata: { name },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  })
  const pods = [pod('matching-1', 'False'), pod('matching-0', 'True')]
  const { calls } = await deploy({ broken: ['statefulset/matching'], pods })
  expect(calls.filter((call) => call.includes('delete pod'))).toEqual(['site: delete pod matching-1 --wait=false'])
  expect(calls).toContain('site: get pod -l controller-revision-hash=new -o json')
})

it('says what it cannot take back', async () => {
  const cluster = { ...running, 'deployment/audit': undefined }
  const { status, out, calls } = await deploy({ broken: ['deployment/audit'] }, { cluster })
  expect(status).toBe(1)
  expect(out).toContain('deployment/audit is new; there is nothing to go back to')
  expect(calls).not.toContain('site: rollout undo deployment/audit')
})

it('leaves the services as they are when a job fails, and shows what it said', async () => {
  const { status, out, calls } = await deploy({ jobs: { 'job/migrate': 'failed' } })
  expect(status).toBe(1)
  expect(out).toContain('what the job said')
  expect(changes(calls).at(-1)).toBe('site: apply -f - < job/migrate')
})

it.each([
  [
    'an image without a digest',
    { objects: [object('Deployment', 'order', 'run', 'bitka/order:1.0.0')] },
    /not named by digest.*bitka\/order:1\.0\.0/,
  ],
  ['no context', { args: ['--overlay', 'k3s', '--yes'] }, /CONTEXT must name/],
  ['an overlay that is not there', { args: ['--overlay', 'moon', '--context', 'site', '--yes'] }, /OVERLAY must be/],
  ['nobody to confirm it', { args: ['--overlay', 'k3s', '--context', 'site'] }, /nobody is here to confirm/],
  ['a phase that it does not know', { objects: [object('Deployment', 'order', 'later')] }, /the phase later/],
])('changes nothing with %s', async (_what, options, complaint) => {
  const { status, out, calls } = await deploy({}, options)
  expect(status).toBe(1)
  expect(out).toMatch(complaint)
  expect(changes(calls)).toEqual([])
})

it('shows no difference where nothing is installed yet', async () => {
  const { status, out, calls } = await deploy({ installed: false }, { cluster: {} })
  expect({ status, out }).toMatchObject({ status: 0 })
  expect(out).toContain('the first installation: 7 objects')
  expect(calls.some((call) => call.includes('diff'))).toBe(false)
})
