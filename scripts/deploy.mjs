// Brings a release to a cluster: shows the difference, asks, runs what must come before (schemas, topics), applies the rest and
// waits. When a rollout fails, every workload that this run has changed goes back to what it was.
//   node scripts/deploy.mjs --overlay gke|k3s --context NAME [--yes] [--timeout 600] [--tags]
// --tags lets images through that are not named by digest: for a cluster of tests.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseAllDocuments } from 'yaml'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: {
    overlay: { type: 'string' },
    context: { type: 'string' },
    yes: { type: 'boolean', default: false },
    tags: { type: 'boolean', default: false },
    timeout: { type: 'string', default: '600' },
  },
})
const NAMESPACE = 'bitka'
const JOB_TIMEOUT_S = 900
const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet']
/** What the jobs need, and says itself whether it is ready. */
const engines = ['Kafka', 'Cluster']

/** Something that ends the deployment; the message is for whoever runs it. */
class DeployError extends Error {}

try {
  await deploy()
} catch (error) {
  if (!(error instanceof DeployError)) throw error
  console.error(`deploy: ${error.message}`)
  process.exitCode = 1
}

async function deploy() {
  const folder = join('k8s/overlays', values.overlay ?? '')
  if (!values.overlay || !existsSync(join(root, folder, 'kustomization.yaml'))) fail('OVERLAY must be gke or k3s')
  // Never the context that happens to be current.
  if (!values.context) fail('CONTEXT must name a context of kubectl: kubectl config get-contexts')
  const objects = render(folder)
  const parts = phases(objects)
  await confirm(objects, parts.jobs)

  apply('before the services', parts.prepare)
  for (const object of parts.prepare.filter(({ kind }) => engines.includes(kind))) waitReady(object)
  for (const job of parts.jobs) await runJob(job)

  const workloads = [...parts.run, ...parts.edge].filter(({ kind }) => workloadKinds.includes(kind))
  const before = new Map(workloads.map((workload) => [nameOf(workload), revisionOf(workload)]))
  try {
    apply('the services', parts.run)
    awaitRollout(parts.run)
    apply('the edge', parts.edge)
    awaitRollout(parts.edge)
  } catch (error) {
    if (!(error instanceof DeployError)) throw error
    console.error(`deploy: ${error.message}; going back`)
    rollBack(workloads, before)
    fail('the release was taken back; migrations and topics stay, which the release before can work with')
  }
  console.log(`deployed ${values.overlay} to ${values.context}`)
}

function fail(message) {
  throw new DeployError(message)
}

/** Runs kubectl in the context; answers its output. Input goes to its standard input. */
function kubectl(args, { input, quiet = true, allowed = [0] } = {}) {
  const stdio = ['pipe', quiet ? 'pipe' : 'inherit', 'inherit']
  const all = ['--context', values.context, ...args]
  const { status, stdout, error } = spawnSync('kubectl', all, {
    cwd: root,
    encoding: 'utf8',
    input,
    stdio,
    maxBuffer: 1 << 28,
  })
  if (error) fail(`kubectl cannot be run: ${error.message}`)
  if (!allowed.includes(status)) fail(`kubectl ${args.slice(0, 3).join(' ')} ended with ${status}`)
  return { status, stdout: stdout ?? '' }
}

/** The overlay's objects, with images that cannot change under us. */
function render(folder) {
  const { stdout } = kubectl(['kustomize', folder])
  const objects = parseAllDocuments(stdout)
    .map((document) => document.toJS())
    .filter(Boolean)
  if (objects.length === 0) fail(`${folder} is empty`)
  if (!values.tags) {
    const moving = [...new Set(imagesOf(objects))].filter((image) => !image.includes('@sha256:'))
    if (moving.length > 0) fail(`not named by digest (make release sets them): ${moving.join(', ')}`)
  }
  return objects
}

function imagesOf(value) {
  if (Array.isArray(value)) return value.flatMap(imagesOf)
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([key, inner]) =>
    (key === 'image' || key === 'imageName') && typeof inner === 'string' ? [inner] : imagesOf(inner),
  )
}

/** The order of a rollout, as the label bitka.phase says; what has none is there for all and comes first. */
function phases(objects) {
  const phase = ({ metadata }) => metadata.labels?.['bitka.phase'] ?? 'prepare'
  const inPhase = (name) => objects.filter((object) => phase(object) === name && object.kind !== 'Job')
  const known = ['prepare', 'run', 'edge']
  const strange = objects.find((object) => !known.includes(phase(object)))
  if (strange) fail(`${nameOf(strange)} has the phase ${phase(strange)}, which is none of ${known.join(', ')}`)
  return {
    prepare: inPhase('prepare'),
    jobs: objects.filter(({ kind }) => kind === 'Job'),
    run: inPhase('run'),
    edge: inPhase('edge'),
  }
}

function nameOf({ kind, metadata }) {
  return `${kind.toLowerCase()}/${metadata.name}`
}

/** Shows what would change. A job's template cannot be changed, so jobs are left out: they are made anew. */
async function confirm(objects, jobs) {
  const isInstalled = kubectl(['get', 'namespace', NAMESPACE, '--ignore-not-found', '-o', 'name']).stdout.trim() !== ''
  if (isInstalled) {
    const input = manifest(objects.filter(({ kind }) => kind !== 'Job'))
    const { status } = kubectl(['diff', '-f', '-'], { input, quiet: false, allowed: [0, 1] })
    if (status === 0) console.log('nothing differs')
  } else console.log(`the first installation: ${objects.length} objects, all of them new`)
  for (const job of jobs) console.log(`will run: ${nameOf(job)}`)
  if (values.yes) return
  if (!process.stdin.isTTY) fail('nobody is here to confirm; look at the difference, then use YES=1')
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`apply this to ${values.context}? (yes/no) `)
  terminal.close()
  if (answer.trim() !== 'yes') fail('nothing was changed')
}

function manifest(objects) {
  return objects.map((object) => JSON.stringify(object)).join('\n---\n')
}

function apply(what, objects) {
  if (objects.length === 0) return
  console.log(`applying ${what}: ${objects.length} objects`)
  kubectl(['apply', '-f', '-'], { input: manifest(objects), quiet: false })
}

function waitReady(object) {
  const [group] = object.apiVersion.split('/')
  const name = `${object.kind.toLowerCase()}.${group}/${object.metadata.name}`
  kubectl(['-n', NAMESPACE, 'wait', name, '--for=condition=Ready', `--timeout=${values.timeout}s`], { quiet: false })
}

/** Makes the job anew and waits until it has ended, well or not. */
async function runJob(job) {
  const name = nameOf(job)
  kubectl(['-n', NAMESPACE, 'delete', name, '--ignore-not-found', '--wait=true'])
  apply(name, [job])
  if (await endedWell(name)) return
  kubectl(['-n', NAMESPACE, 'logs', name, '--tail=50'], { quiet: false, allowed: [0, 1] })
  fail(`${name} did not end well; the services are as they were`)
}

/** A wait for one condition would not notice the other; one that runs out of time counts as failed. */
async function endedWell(name) {
  const conditions = ['complete', 'failed'].map((condition) => {
    const args = ['--context', values.context, '-n', NAMESPACE, 'wait', name, `--for=condition=${condition}`]
    const child = spawn('kubectl', [...args, `--timeout=${JOB_TIMEOUT_S}s`], { stdio: 'ignore' })
    const came = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => (code === 0 ? resolve(condition) : reject(new Error(`${condition} did not come`))))
    })
    return { child, came }
  })
  try {
    return (await Promise.any(conditions.map(({ came }) => came))) === 'complete'
  } catch {
    return false
  } finally {
    for (const { child } of conditions) child.kill()
  }
}

/** What a workload runs now; undefined when it is not there yet. A StatefulSet calls it by the hash of its template. */
function revisionOf({ kind, metadata }) {
  const path =
    kind === 'StatefulSet'
      ? '{.status.updateRevision}'
      : '{.metadata.annotations.deployment\\.kubernetes\\.io/revision}'
  const paths = kind === 'DaemonSet' ? '{.metadata.generation}' : path
  const args = ['get', `${kind.toLowerCase()}/${metadata.name}`, '--ignore-not-found', '-o', `jsonpath=${paths}`]
  return kubectl(['-n', NAMESPACE, ...args]).stdout.trim() || undefined
}

function awaitRollout(objects) {
  for (const workload of objects.filter(({ kind }) => workloadKinds.includes(kind))) {
    const args = ['rollout', 'status', nameOf(workload), `--timeout=${values.timeout}s`]
    kubectl(['-n', NAMESPACE, ...args], { quiet: false })
  }
}

/** Every workload that has another revision than before goes back to it. What was not there before stays, and is named. */
function rollBack(workloads, before) {
  const back = []
  const problems = []
  const attempt = (what) => {
    try {
      what()
    } catch (error) {
      if (!(error instanceof DeployError)) throw error
      problems.push(error.message)
    }
  }
  for (const workload of workloads) {
    const name = nameOf(workload)
    attempt(() => {
      const [was, is] = [before.get(name), revisionOf(workload)]
      if (is === was || is === undefined) return
      if (was === undefined) {
        console.error(`deploy: ${name} is new; there is nothing to go back to`)
        return
      }
      kubectl(['-n', NAMESPACE, 'rollout', 'undo', name], { quiet: false })
      back.push(workload)
      if (workload.kind === 'StatefulSet') deleteStuckPods(is)
    })
  }
  for (const workload of back) attempt(() => awaitRollout([workload]))
  if (problems.length > 0) fail(`could not go back altogether: ${problems.join('; ')}`)
}

/** An ordered StatefulSet waits for its broken pods for ever, also when the template is good again. */
function deleteStuckPods(revision) {
  const args = ['get', 'pod', '-l', `controller-revision-hash=${revision}`, '-o', 'json']
  const isReady = ({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  const { items } = JSON.parse(kubectl(['-n', NAMESPACE, ...args]).stdout)
  for (const pod of items.filter((one) => !isReady(one)))
    kubectl(['-n', NAMESPACE, 'delete', 'pod', pod.metadata.name, '--wait=false'], { quiet: false })
}
