// Makes, for every image of deploy/supply-chain/images.json, the folder of all that we put into it: bundles, packages, jars,
// configuration, licences, SBOM. The Dockerfile only copies these folders; this needs no Docker. The same commit makes the
// same bytes, at whatever time and place.
//   node scripts/images.mjs [--out dist/images] [--only NAME]... [--parts FOLDER] [--version VERSION]
// Writes OUT/<name>/ and, with the SHA-256 of every file in it, OUT/<name>.sha256.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { jarComponents, npmComponents, writeSbom } from './sbom.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'dist/images' },
    only: { type: 'string', multiple: true },
    parts: { type: 'string', default: '.bitka/images' },
    version: { type: 'string' },
  },
})
const out = join(root, values.out)
/** Packages that others use when they happen to be installed; we do not install them. */
const optional = ['bufferutil', 'pg-native', 'utf-8-validate']
/** Packages that only a build of argon2 from its sources would use. */
const forBuilding = ['cross-env', 'node-addon-api']
const programs = JSON.parse(readFileSync(join(root, 'dist/programs.json'), 'utf8'))
const { ours } = JSON.parse(readFileSync(join(root, 'deploy/supply-chain/images.json'), 'utf8'))
const unknown = values.only?.find((name) => !ours.some((image) => image.name === name))
if (unknown !== undefined) throw new Error(`images.json has no image ${unknown}`)

const time = commitTime()
let installedKafka
const startedMs = performance.now()
const wanted = ours.filter(({ name }) => values.only?.includes(name) ?? true)
for (const image of wanted) {
  const folder = join(out, image.name)
  rmSync(folder, { recursive: true, force: true })
  const components = { program, kafka, 'kafka-strimzi': kafkaStrimzi, envoy }[image.kind ?? 'program'](image, folder)
  writeSbom(join(folder, 'usr/share/doc/bitka/sbom.cdx.json'), {
    name: image.name,
    version: values.version ?? manifest(root).version,
    time,
    components,
  })
  const lines = settle(folder).map((file) => `${sha256(join(folder, file))}  ${file}\n`)
  writeFileSync(join(out, `${image.name}.sha256`), lines.join(''))
}
console.log(`images: ${wanted.length} folders in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)

/** One of our programs, with the health check, the packages that are not in its bundle and the files it looks for. */
function program(image, folder) {
  const app = join(folder, 'app')
  const parts = [image.program, 'health']
  for (const part of parts) {
    for (const ending of ['.mjs', '.mjs.map']) copy(`dist/${part}${ending}`, join(app, 'dist', `${part}${ending}`))
  }
  // One name for the entry point, so that one stage of the Dockerfile serves all programs.
  mkdirSync(app, { recursive: true })
  writeFileSync(join(app, 'main.mjs'), `import './dist/${image.program}.mjs'\n`)
  for (const path of image.folders ?? []) copy(path, join(app, path))
  for (const [name, files] of Object.entries(image.files ?? {})) {
    for (const file of ['package.json', ...files])
      copy(join('node_modules', name, file), join(app, 'node_modules', name, file))
  }
  const outside = closure(parts.flatMap((part) => programs[part].externals).map(packageOf))
  for (const [name, from] of outside) copyPackage(from, join(app, 'node_modules', name))
  const inside = parts.flatMap((part) => programs[part].packages).map((path) => join(root, path))
  const named = Object.keys(image.files ?? {}).map((name) => join(root, 'node_modules', name))
  const packages = [...new Set([...inside, ...outside.values(), ...named])].sort()
  writeLicences(join(folder, 'usr/share/doc/bitka/licences.txt'), packages)
  return npmComponents(packages)
}

/** The broker: Kafka's jars with our part, and what starts them. */
function kafka(_image, folder) {
  const installed = kafkaParts()
  copy(join(installed, 'jars'), join(folder, 'opt/kafka/jars'))
  copyPlugin(join(folder, 'opt/kafka/plugin'))
  copy('deploy/kafka/start.sh', join(folder, 'opt/kafka/start.sh'))
  chmodSync(join(folder, 'opt/kafka/start.sh'), 0o755)
  copy('deploy/kafka/server.compose.properties', join(folder, 'etc/kafka/server.properties'))
  return jarComponents(join(root, 'deploy/kafka/jars.sha256'))
}

/** What Strimzi's image of Kafka lacks: our part of the broker, and the program that keeps its certificate in files. */
function kafkaStrimzi(_image, folder) {
  copyPlugin(join(folder, 'opt/kafka/libs'))
  copy('deploy/images/kafka-strimzi/kafka_run.sh', join(folder, 'opt/kafka/kafka_run.sh'))
  chmodSync(join(folder, 'opt/kafka/kafka_run.sh'), 0o755)
  const components = program({ program: 'svid-files' }, join(folder, 'opt/bitka'))
  // One place for what an image says of itself.
  renameSync(join(folder, 'opt/bitka/usr'), join(folder, 'usr'))
  return components
}

function copyPlugin(folder) {
  const jar = 'bitka-kafka-spiffe.jar'
  copy(join(kafkaParts(), 'plugin', jar), join(folder, jar))
}

function kafkaParts() {
  installedKafka ??= (() => {
    const args = ['--tls-min-v1.3', 'dist/image-parts.mjs', join(root, values.parts)]
    const { status, stdout } = spawnSync(process.execPath, args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (status !== 0) throw new Error('the parts of the Kafka image could not be installed')
    return stdout.trim()
  })()
  return installedKafka
}

/** Envoy's own image with our configuration. */
function envoy(_image, folder) {
  copy('deploy/envoy/rendered/compose.yaml', join(folder, 'etc/envoy/envoy.yaml'))
  copy('deploy/envoy/rendered/envoy-certificate.yaml', join(folder, 'etc/envoy/envoy-certificate.yaml'))
  copy('deploy/envoy/drain.sh', join(folder, 'etc/envoy/drain.sh'))
  return []
}

function copy(from, to) {
  const source = from.startsWith('/') ? from : join(root, from)
  if (!existsSync(source)) throw new Error(`${from} is missing: build first (make build)`)
  cpSync(source, to, { recursive: true, dereference: true })
}

/** Without what is not run: tests, sources of native parts, and programs for other systems. */
function copyPackage(from, to) {
  const skipped =
    /\/(node_modules|test|tests|docs|\.github|argon2\/(include|src)|prebuilds\/(?!linux-(x64|arm64)(\/|$)).+|[^/]+\.(d\.[cm]?ts(\.map)?|md|cpp|gypi?))$|^\/argon2(\/|$)/i
  cpSync(from, to, { recursive: true, dereference: true, filter: (file) => !skipped.test(file.slice(from.length)) })
}

/** "kafkajs/src/cluster/index.js" → "kafkajs" */
function packageOf(path) {
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Every package that these need, and where it is installed. Two versions of one package would need more than this. */
function closure(names) {
  const found = new Map()
  const visit = (name, from) => {
    const folder = installedFolder(name, from)
    if (folder === undefined) {
      if (optional.includes(name)) return
      throw new Error(`${name}, which ${from} needs, is not installed`)
    }
    if (found.has(name)) {
      if (found.get(name) !== folder) throw new Error(`two versions of ${name}: ${folder}, ${found.get(name)}`)
      return
    }
    found.set(name, folder)
    const { dependencies = {} } = manifest(folder)
    for (const dependency of Object.keys(dependencies)) if (!forBuilding.includes(dependency)) visit(dependency, folder)
  }
  for (const name of [...new Set(names)].sort()) visit(name, root)
  return new Map([...found].sort())
}

function installedFolder(name, from) {
  const places = createRequire(join(from, 'package.json')).resolve.paths(name) ?? []
  const folder = places.map((place) => join(place, name)).find((place) => existsSync(join(place, 'package.json')))
  return folder && realpathSync(folder)
}

function manifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

/** MIT and its like want their text to go where the code goes. */
function writeLicences(file, packages) {
  const texts = packages.map((folder) => {
    const { name, version, license } = manifest(folder)
    const files = readdirSync(folder).filter(
      (one) => /^(licen[cs]e|notice|copying)/i.test(one) && statSync(join(folder, one)).isFile(),
    )
    const text = files.sort().map((one) => readFileSync(join(folder, one), 'utf8').trim())
    return [`${name} ${version} (${license})`, ...text].join('\n\n')
  })
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`)
}

/** The same modes and times wherever it is built; answers the files in order. */
function settle(folder) {
  const paths = readdirSync(folder, { recursive: true }).sort()
  const files = []
  for (const path of paths.reverse()) {
    const full = join(folder, path)
    const state = lstatSync(full)
    if (state.isSymbolicLink()) throw new Error(`${full} is a link`)
    chmodSync(full, state.isDirectory() || (state.mode & 0o100) !== 0 ? 0o755 : 0o644)
    utimesSync(full, time, time)
    if (state.isFile()) files.push(path)
  }
  chmodSync(folder, 0o755)
  utimesSync(folder, time, time)
  return files.reverse()
}

function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** Seconds since 1970 of the commit: what SOURCE_DATE_EPOCH says, which is all there is in an image build without .git. */
function commitTime() {
  const { SOURCE_DATE_EPOCH } = process.env
  if (SOURCE_DATE_EPOCH) return Number(SOURCE_DATE_EPOCH)
  return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }))
}
