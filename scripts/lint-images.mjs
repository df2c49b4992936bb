// What can be said of the images without Docker: the Dockerfile is what BuildKit accepts, every image anywhere is one of
// deploy/supply-chain/images.json, and two builds of these sources in two folders make the same files: one here, and one of
// exactly the files that .dockerignore lets into an image build. Options for tests: --dockerfile FILE, --images FILE,
// --manifest FILE (further files with images), --no-build.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { goTools } from './go-tools.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: {
    dockerfile: { type: 'string', default: join(root, 'Dockerfile') },
    images: { type: 'string', default: join(root, 'deploy/supply-chain/images.json') },
    manifest: { type: 'string', multiple: true, default: [] },
    'no-build': { type: 'boolean', default: false },
  },
})
const problems = []
const list = JSON.parse(readFileSync(values.images, 'utf8'))
const imagecheck = join(goTools(), 'imagecheck')

checkList()
checkDockerfile()
for (const file of [...manifests(), ...values.manifest]) checkManifest(file)
if (!values['no-build']) await checkBuilds()
for (const problem of problems) console.error(`images: ${problem}`)
process.exit(problems.length > 0 ? 1 : 0)

function reference({ image, tag, digest }) {
  return `${image}:${tag}${digest === null ? '' : `@${digest}`}`
}

function checkList() {
  const entries = [...list.base, ...list.run]
  const names = [...entries, ...list.ours].map(({ name }) => name)
  for (const name of names) if (names.indexOf(name) !== names.lastIndexOf(name)) problems.push(`${name}: two entries`)
  for (const { name, tag, digest } of entries) {
    if (!tag || tag === 'latest') problems.push(`${name}: needs a tag that stays what it is`)
    if (digest !== null && !/^sha256:[0-9a-f]{64}$/.test(digest)) problems.push(`${name}: ${digest} is not a digest`)
  }
}

function checkDockerfile() {
  const { status, stdout, stderr } = spawnSync(imagecheck, ['dockerfile', values.dockerfile], { encoding: 'utf8' })
  if (status !== 0) return problems.push(stderr.trim())
  const { args, stages } = JSON.parse(stdout)
  const bases = new Map(list.base.map((base) => [base.arg, reference(base)]))
  for (const [name, value] of Object.entries(args)) {
    if (!bases.has(name)) problems.push(`Dockerfile: ARG ${name} is in no entry of images.json`)
    else if (bases.get(name) !== value)
      problems.push(`Dockerfile: ${name} is ${value}, images.json has ${bases.get(name)}`)
  }
  for (const name of bases.keys()) if (!(name in args)) problems.push(`Dockerfile: ${name} of images.json is not used`)
  for (const { name, base } of stages) {
    const known = stages.some((other) => other.name === base) || bases.has(/^\$\{(\w+)\}$/.exec(base)?.[1])
    if (!known) problems.push(`Dockerfile: the base ${base} of ${name} is in no ARG of images.json`)
  }
  for (const target of new Set(list.ours.map((image) => image.target))) checkTarget(target, stages)
}

/** What we run is nobody's root and starts one program, without a shell in between. */
function checkTarget(target, stages) {
  const stage = stages.find(({ name }) => name === target)
  if (!stage) return problems.push(`Dockerfile: there is no stage ${target}, which images.json names`)
  const parent = stages.find(({ name }) => name === stage.base)
  const steps = [...(parent?.instructions ?? []), ...(stage.instructions ?? [])]
  const user = steps.filter((step) => step.startsWith('USER ')).at(-1)
  if (!/^USER [1-9]\d*:[1-9]\d*$/.test(user ?? '')) problems.push(`Dockerfile: ${target} needs USER uid:gid, not root`)
  if (!steps.some((step) => step.startsWith('ENTRYPOINT ["')))
    problems.push(`Dockerfile: ${target} needs an ENTRYPOINT in JSON`)
  if (steps.some((step) => step.startsWith('ADD '))) problems.push(`Dockerfile: ${target}: COPY, not ADD`)
}

/** Every YAML file with manifests that are applied or run. */
function manifests() {
  const folders = ['k8s/base', 'k8s/overlays', 'k8s/components', 'k8s/monitoring', 'k8s/spire']
    .map((name) => join(root, name))
    .filter(existsSync)
  const inFolders = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((file) => join(folder, file)),
  )
  return [join(root, 'deploy/compose.yaml'), ...inFolders.filter((file) => file.endsWith('.yaml'))].filter(existsSync)
}

function checkManifest(file) {
  const foreign = new Map([...list.base, ...list.run].map((entry) => [entry.image, entry]))
  const ours = new Set(list.ours.map(({ name }) => name))
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    for (const found of imagesOf(document.toJS())) {
      const own = /^(?:\$\{BITKA_IMAGES[^}]*\}|bitka)\/([a-z-]+)(:|$)/.exec(found)?.[1]
      const [, image] = /^([^@]+?)(?::[^:/@]+)?(?:@.*)?$/.exec(found) ?? []
      const entry = foreign.get(image)
      const where = `${relative(root, file)}: ${found}`
      if (own !== undefined) {
        if (!ours.has(own)) problems.push(`${where}: images.json makes no such image`)
      } else if (entry === undefined) problems.push(`${where}: not in images.json`)
      else if (found !== reference(entry)) problems.push(`${where}: images.json has ${reference(entry)}`)
    }
  }
}

/** Whatever is called image or imageName and is a name; kustomizations name images otherwise and are not looked at. */
function imagesOf(value) {
  if (Array.isArray(value)) return value.flatMap(imagesOf)
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([key, inner]) =>
    (key === 'image' || key === 'imageName') && typeof inner === 'string' ? [inner] : imagesOf(inner),
  )
}

async function checkBuilds() {
  const full = hasJava()
  if (!full && process.env.CI) problems.push('Java and Maven are missing: without them the Kafka image was not checked')
  const names = list.ours.filter(({ kind }) => full || !kind?.startsWith('kafka')).map(({ name }) => name)
  const only = names.flatMap((name) => ['--only', name])
  // On the file system of node_modules, whose files are linked and not copied; deeper than here, so that a path would show.
  mkdirSync(join(root, '.bitka'), { recursive: true })
  const other = mkdtempSync(join(root, '.bitka/second-build-'))
  try {
    const copy = join(other, 'of', 'sources')
    copySources(copy)
    const sources = stateOfSources()
    const epoch = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).stdout.trim()
    const env = { ...process.env, SOURCE_DATE_EPOCH: epoch }
    const parts = ['--parts', relative(copy, join(root, '.bitka/images'))]
    run(copy, env, ['scripts/generate.mjs'])
    run(copy, env, ['scripts/build.mjs'])
    run(copy, { ...env, TZ: 'Pacific/Chatham', LANG: 'de_DE.UTF-8' }, ['scripts/images.mjs', ...only, ...parts])
    run(root, env, ['scripts/build.mjs'])
    run(root, env, ['scripts/images.mjs', ...only])
    if (stateOfSources() !== sources) return problems.push('the sources changed while they were built: run it again')
    for (const name of names) compare(name, join(root, 'dist/images'), join(copy, 'dist/images'))
    for (const name of names) await checkSbom(name)
    for (const image of list.ours) if (image.program) checkStart(image)
    if (problems.length === 0)
      console.log(
        `images: ${names.length} images, the same files from two builds${full ? '' : ' (without Java: not Kafka)'}`,
      )
  } finally {
    rmSync(other, { recursive: true, force: true })
  }
}

function hasJava() {
  return ['java', 'javac', 'mvn'].every((command) => spawnSync(command, ['-version'], { stdio: 'ignore' }).status === 0)
}

/** The files that an image build would get. */
function sourceFiles() {
  const { stdout } = spawnSync(imagecheck, ['context', root], { encoding: 'utf8', maxBuffer: 1 << 26 })
  return stdout.split('\n').filter(Boolean)
}

function stateOfSources() {
  return sourceFiles()
    .map((file) => `${file} ${statSync(join(root, file)).mtimeMs}`)
    .join()
}

/** What an image build would get, and the installed packages. */
function copySources(to) {
  for (const file of sourceFiles()) {
    cpSync(join(root, file), join(to, file), { recursive: true, verbatimSymlinks: true })
  }
  const { status, stderr } = spawnSync('cp', ['-al', 'node_modules', to], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`node_modules could not be linked: ${stderr}`)
}

function run(cwd, env, args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${args[0]} failed in ${cwd}:\n${stdout}${stderr}`)
}

function compare(name, ...folders) {
  const [here, there] = folders.map((folder) => readFileSync(join(folder, `${name}.sha256`), 'utf8').split('\n'))
  const different = [...here.filter((line) => !there.includes(line)), ...there.filter((line) => !here.includes(line))]
  const files = [...new Set(different.map((line) => line.split('  ')[1]))]
  if (files.length > 0) problems.push(`${name}: two builds differ in ${files.slice(0, 5).join(', ')}`)
}

async function checkSbom(name) {
  const text = readFileSync(join(root, 'dist/images', name, 'usr/share/doc/bitka/sbom.cdx.json'), 'utf8')
  // Only here: it takes a second to load.
  const CycloneDX = await import('@cyclonedx/cyclonedx-library')
  const validator = new CycloneDX.Validation.JsonStrictValidator(CycloneDX.Spec.Version.v1dot6)
  const error = await validator.validate(text)
  if (error !== null) problems.push(`${name}: the SBOM is no CycloneDX 1.6: ${JSON.stringify(error).slice(0, 300)}`)
}

/** Away from here, where a package that was forgotten would be found in the repository, the program starts and asks for its settings. */
function checkStart({ name, program }) {
  const folder = mkdtempSync(join(tmpdir(), 'bitka-image-'))
  try {
    cpSync(join(root, 'dist/images', name, 'app'), folder, { recursive: true })
    const { externals } = JSON.parse(readFileSync(join(root, 'dist/programs.json'), 'utf8'))[program]
    const needed = externals.filter((one) => !['bufferutil', 'pg-native', 'utf-8-validate'].includes(one))
    const imports = needed.map((one) => `await import(${JSON.stringify(one)})`).join('\n')
    const options = { cwd: folder, env: { PATH: process.env.PATH }, encoding: 'utf8', timeout: 60_000 }
    const loaded = spawnSync(process.execPath, ['--input-type=module', '-e', imports], options)
    if (loaded.status !== 0) problems.push(`${name}: a package is missing: ${lastLines(loaded.stderr)}`)
    const started = spawnSync(process.execPath, ['--tls-min-v1.3', 'main.mjs'], options)
    if (!/bad configuration|usage:|variables:/i.test(started.stdout + started.stderr))
      problems.push(`${name}: does not start: ${lastLines(started.stderr)}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function lastLines(text) {
  return text.trim().split('\n').slice(-6).join('\n')
}
