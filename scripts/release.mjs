// Makes a release: checks, builds, packs, pushes, SBOMs, provenance, signatures, digests in what is deployed, commit and tag.
//   node scripts/release.mjs --version 1.2.3 [--dry-run] [--root FOLDER]
// BITKA_RELEASE_REGISTRY   where images go, such as europe-docker.pkg.dev/project/bitka
// BITKA_RELEASE_KEY        an SSH key: a file, or a public key whose other half is in the agent or on a token
// BITKA_RELEASE_SIGNER     whose key that is in deploy/supply-chain/release-signers; default release
// BITKA_RELEASE_COSIGN_KEY with cosign: signs the images in the registry too
// --dry-run goes as far as it can without registry and key, writes dist/release/VERSION and changes nothing else.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parse, parseDocument } from 'yaml'
import { provenance, sha256 } from './provenance.mjs'

const { values } = parseArgs({
  options: {
    version: { type: 'string', default: '' },
    'dry-run': { type: 'boolean', default: false },
    root: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), '..') },
  },
})
const { version, root, 'dry-run': dryRun } = values
const env = process.env
const registry = env.BITKA_RELEASE_REGISTRY ?? 'registry.bitka.example/bitka'
const signer = env.BITKA_RELEASE_SIGNER ?? 'release'
const tag = `v${version}`
const out = join(root, 'dist/release', version)
const signers = join(root, 'deploy/supply-chain/release-signers')
const imagesFile = join(root, 'deploy/supply-chain/images.json')
/** What a signature is for, so that it cannot be shown as one for something else. */
const SIGNATURE_NAMESPACE = 'bitka-release'

class ReleaseError extends Error {}

try {
  release()
} catch (error) {
  if (!(error instanceof ReleaseError)) throw error
  console.error(`release: ${error.message}`)
  process.exitCode = 1
}

function release() {
  const startedAt = new Date().toISOString()
  checkBefore()
  step('checking: make lint')
  run('make', ['lint'], { show: true })
  if (!dryRun) pinBases()
  step('building: make images')
  run('make', ['images', `VERSION=${version}`], { show: true })
  const commit = git('rev-parse', 'HEAD')
  if (git('status', '--porcelain') !== '') fail('the build has changed the tree')

  rmSync(out, { recursive: true, force: true })
  mkdirSync(join(out, 'sbom'), { recursive: true })
  const { ours, base } = readImages()
  const images = ours.map((image) => ({
    ...image,
    folder: folderDigest(image.name),
    digest: dryRun ? undefined : pack(image, base),
  }))
  for (const { name } of images)
    copyFileSync(
      join(root, 'dist/images', name, 'usr/share/doc/bitka/sbom.cdx.json'),
      join(out, 'sbom', `${name}.cdx.json`),
    )
  const repository = git('config', '--default', 'unknown', '--get', 'remote.origin.url')
  const finishedAt = new Date().toISOString()
  const statement = provenance({
    root,
    version,
    registry,
    commit,
    repository,
    images,
    bases: base,
    startedAt,
    finishedAt,
  })
  write(join(out, 'provenance.intoto.json'), statement)
  write(
    join(out, 'images.json'),
    Object.fromEntries(images.map(({ name, digest, folder }) => [name, digest ?? `folder ${folder}`])),
  )
  sign(images)
  if (dryRun) {
    console.log(`dry run: ${relative(root, out)} is written; nothing was pushed, changed or tagged`)
    return
  }
  nameByDigest(images)
  step(`committing and tagging ${tag}`)
  git('commit', '-q', '-a', '-m', `release: ${version}`)
  git(
    '-c',
    'gpg.format=ssh',
    '-c',
    `user.signingKey=${env.BITKA_RELEASE_KEY}`,
    'tag',
    '-s',
    tag,
    '-m',
    `BitKa ${version}`,
  )
  console.log(`${tag} is made. Keep ${relative(root, out)} with it, then: git push origin HEAD ${tag}`)
}

function fail(message) {
  throw new ReleaseError(message)
}

function step(text) {
  console.log(`… ${text}`)
}

function run(command, args, { show = false, input, cwd = root } = {}) {
  const stdio = [input === undefined ? 'ignore' : 'pipe', show ? 'inherit' : 'pipe', 'inherit']
  const { status, stdout, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    input,
    stdio,
    maxBuffer: 1 << 28,
  })
  if (error) fail(`${command} cannot be run: ${error.message}`)
  if (status !== 0) fail(`${[command, ...args].join(' ').slice(0, 200)} ended with ${status}`)
  return (stdout ?? '').trim()
}

function git(...args) {
  return run('git', args)
}

function has(command) {
  return spawnSync(command, ['version'], { stdio: 'ignore' }).error === undefined
}

function write(file, value) {
  writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`)
}

function readImages() {
  return JSON.parse(readFileSync(imagesFile, 'utf8'))
}

/** Everything that would end the release later is said now. */
function checkBefore() {
  if (!/^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/.test(version))
    fail('VERSION must be a semantic version without "v", such as 1.2.3')
  const changed = git('status', '--porcelain')
  if (changed !== '') fail(`the tree is not clean:\n${changed}`)
  if (git('tag', '--list', tag) !== '') fail(`${tag} is there already; a release is never made again`)
  if (dryRun) return
  if (!env.BITKA_RELEASE_REGISTRY) fail('BITKA_RELEASE_REGISTRY must say where the images go')
  if (!env.BITKA_RELEASE_KEY || !existsSync(env.BITKA_RELEASE_KEY)) fail('BITKA_RELEASE_KEY must name the signing key')
  if (!has('docker')) fail('docker with buildx is needed to pack and push')
  const probe = mkdtempSync(join(tmpdir(), 'bitka-release-'))
  try {
    writeFileSync(join(probe, 'probe'), version)
    signFile(join(probe, 'probe'))
  } finally {
    rmSync(probe, { recursive: true, force: true })
  }
}

/** Asks the registries what each tag is today, writes that wherever the tag stands, and commits it before anything is built. */
function pinBases() {
  const list = readImages()
  const open = [...list.base, ...list.run].filter(({ digest }) => digest === null)
  if (open.length === 0) return
  step(`asking for ${open.length} digests`)
  for (const entry of open) {
    const reference = `${entry.image}:${entry.tag}`
    const asked = ['buildx', 'imagetools', 'inspect', reference, '--format', '{{json .Manifest.Digest}}']
    entry.digest = run('docker', asked).replaceAll('"', '')
    if (!/^sha256:[0-9a-f]{64}$/.test(entry.digest)) fail(`${reference}: the registry answered ${entry.digest}`)
    for (const file of filesWithImages()) replaceIn(file, reference, `${reference}@${entry.digest}`)
  }
  write(imagesFile, list)
  git('commit', '-q', '-a', '-m', `images: digests for ${version}`)
}

function filesWithImages() {
  const folders = ['k8s/base', 'k8s/overlays', 'k8s/components', 'k8s/monitoring', 'k8s/spire'].filter((folder) =>
    existsSync(join(root, folder)),
  )
  const inFolders = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((file) => join(root, folder, file)),
  )
  const yaml = inFolders.filter((file) => file.endsWith('.yaml'))
  return [join(root, 'Dockerfile'), join(root, 'deploy/compose.yaml'), ...yaml]
}

/** Whole references only: "postgres:18" is not in "postgres:18.1". */
function replaceIn(file, from, to) {
  const before = readFileSync(file, 'utf8')
  const escaped = from.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const after = before.replace(new RegExp(`${escaped}(?![\\w.@-])`, 'g'), to)
  if (after !== before) writeFileSync(file, after)
}

/** One number for all that we put into an image. */
function folderDigest(name) {
  const list = join(root, 'dist/images', `${name}.sha256`)
  if (!existsSync(list)) fail(`make images has not made ${name}`)
  return sha256(readFileSync(list))
}

/** Packs and pushes; answers the digest that the registry knows the image by. */
function pack({ name, target }, bases) {
  step(`packing ${name}`)
  const metadata = join(out, `${name}.metadata.json`)
  const args = [
    ...['NAME', 'VERSION', 'SOURCE_DATE_EPOCH'].map(
      (key, at) => `${key}=${[name, version, git('log', '-1', '--format=%ct')][at]}`,
    ),
    ...bases.map(({ arg, image, tag: of, digest }) => `${arg}=${image}:${of}@${digest}`),
  ].flatMap((one) => ['--build-arg', one])
  const output = `type=image,name=${registry}/${name}:${version},push=true,rewrite-timestamp=true`
  const platforms = ['--platform', env.BITKA_RELEASE_PLATFORMS ?? 'linux/amd64']
  // Ours says more than what buildx would attach, and the registry's digest must be that of the image alone.
  const plain = ['--provenance=false', '--sbom=false', '--metadata-file', metadata, '--output', output]
  run('docker', ['buildx', 'build', '--target', target, ...platforms, ...args, ...plain, '.'], { show: true })
  const digest = JSON.parse(readFileSync(metadata, 'utf8'))['containerimage.digest']
  rmSync(metadata)
  if (!/^sha256:[0-9a-f]{64}$/.test(digest ?? '')) fail(`${name}: docker gave no digest`)
  return digest
}

/** Leaves FILE.sig, checked as somebody would who has only the repository. */
function signFile(file) {
  run('ssh-keygen', ['-q', '-Y', 'sign', '-f', env.BITKA_RELEASE_KEY, '-n', SIGNATURE_NAMESPACE, file])
  const verify = ['-q', '-Y', 'verify', '-f', signers, '-I', signer, '-n', SIGNATURE_NAMESPACE, '-s', `${file}.sig`]
  try {
    run('ssh-keygen', verify, { input: readFileSync(file) })
  } catch {
    fail(
      `BITKA_RELEASE_KEY is not ${signer}'s in deploy/supply-chain/release-signers: nobody could verify this release`,
    )
  }
}

/** Signs the list of all files, and in the registry the images. */
function sign(images) {
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map((entry) => relative(out, join(entry.parentPath, entry.name))).sort()
  const sums = join(out, 'SHA256SUMS')
  writeFileSync(sums, paths.map((path) => `${sha256(readFileSync(join(out, path)))}  ${path}\n`).join(''))
  if (dryRun) return
  step('signing')
  for (const file of [sums, join(out, 'provenance.intoto.json')]) signFile(file)
  const { BITKA_RELEASE_COSIGN_KEY: key } = env
  if (!key) return
  const predicate = join(out, 'predicate.json')
  write(predicate, JSON.parse(readFileSync(join(out, 'provenance.intoto.json'), 'utf8')).predicate)
  for (const { name, digest } of images) {
    const image = `${registry}/${name}@${digest}`
    const sbom = join(out, 'sbom', `${name}.cdx.json`)
    run('cosign', ['sign', '--yes', '--key', key, image])
    run('cosign', ['attest', '--yes', '--key', key, '--type', 'slsaprovenance1', '--predicate', predicate, image])
    run('cosign', ['attest', '--yes', '--key', key, '--type', 'cyclonedx', '--predicate', sbom, image])
  }
  rmSync(predicate)
}

/** Writes the digests into the overlays and into what compose is given beside its file. */
function nameByDigest(images) {
  const digests = new Map(images.map(({ name, digest }) => [name, digest]))
  const folders = ['k8s/overlays', 'k8s/monitoring'].map((name) => join(root, name)).filter(existsSync)
  for (const file of folders.flatMap((folder) =>
    readdirSync(folder).map((name) => join(folder, name, 'kustomization.yaml')),
  )) {
    const document = parseDocument(readFileSync(file, 'utf8'))
    for (const entry of document.get('images')?.items ?? []) {
      const name = entry.get('name').replace('bitka/', '')
      if (!digests.has(name)) fail(`${relative(root, file)} names ${entry.get('name')}, which is not made here`)
      entry.set('newName', `${registry}/${name}`)
      entry.delete('newTag')
      entry.set('digest', digests.get(name))
    }
    writeFileSync(file, document.toString({ lineWidth: 0 }))
  }
  const compose = parse(readFileSync(join(root, 'deploy/compose.yaml'), 'utf8'), { merge: true })
  const services = Object.entries(compose.services).flatMap(([service, { image }]) => {
    const name = /^\$\{BITKA_IMAGES[^}]*\}\/([a-z-]+):/.exec(image)?.[1]
    return name === undefined
      ? []
      : [`  ${service}: { image: '${registry}/${name}@${digests.get(name)}', build: !reset null }\n`]
  })
  const head = `# Made by make release: the images of ${version}. Give it to compose after compose.yaml.\nservices:\n`
  writeFileSync(join(root, 'deploy/compose/release.yaml'), head + services.join(''))
  git('add', 'deploy/compose/release.yaml')
}
