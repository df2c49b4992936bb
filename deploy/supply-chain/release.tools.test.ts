import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { tempDir } from '@bitka/testkit'
import { parse } from 'yaml'

const repository = dirname(repositoryFolder('deploy'))
/** All that a release reads or changes. */
const parts = [
  'Dockerfile',
  '.gitignore',
  'package-lock.json',
  'deploy/compose.yaml',
  'deploy/compose/env.example',
  'deploy/kafka/jars.sha256',
  'deploy/supply-chain/images.json',
  'k8s',
]
const REGISTRY = 'registry.test/exchange'
type Images = Record<'base' | 'run', { name: string; image: string; tag: string; digest: string | null }[]> & {
  ours: { name: string }[]
}

class Releases {
  private constructor(
    readonly root: string,
    private readonly bin: string,
    readonly key: string,
  ) {}

  /** A repository with what a release needs, a key that may sign, and a registry that is not one. */
  static async create(): Promise<Releases> {
    const folder = await tempDir()
    const root = join(folder, 'repository')
    const bin = join(folder, 'bin')
    for (const path of [root, bin]) await mkdir(path)
    for (const part of parts) cpSync(join(repository, part), join(root, part), { recursive: true })
    for (const name of ['docker', 'make'])
      await symlink(join(repository, `deploy/supply-chain/test/${name}.mjs`), join(bin, name))
    const key = join(folder, 'key')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', key])
    const releases = new Releases(root, bin, key)
    const publicKey = readFileSync(`${key}.pub`, 'utf8').trim()
    await writeFile(
      join(root, 'deploy/supply-chain/release-signers'),
      `release namespaces="bitka-release,git" ${publicKey}\n`,
    )
    releases.git('init', '-q')
    for (const [name, value] of Object.entries({
      'user.name': 'test',
      'user.email': 'test@example.org',
      'commit.gpgsign': 'false',
    }))
      releases.git('config', name, value)
    releases.git('add', '.')
    releases.git('commit', '-q', '-m', 'everything')
    return releases
  }

  git(...args: string[]): string {
    return execFileSync('git', args, { cwd: this.root, encoding: 'utf8' }).trim()
  }

  release(version: string, options: { env?: Record<string, string>; args?: string[] } = {}) {
    const args = [
      join(repository, 'scripts/release.mjs'),
      '--root',
      this.root,
      '--version',
      version,
      ...(options.args ?? []),
    ]
    const env = {
      PATH: `${this.bin}:${process.env.PATH}`,
      HOME: this.bin,
      FAKE_DOCKER: this.bin,
      BITKA_RELEASE_REGISTRY: REGISTRY,
      BITKA_RELEASE_KEY: this.key,
      ...options.env,
    }
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: this.root, env, encoding: 'utf8' })
    return { status, out: stdout + stderr }
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8')
  }

  calls(): string[] {
    const file = join(this.bin, 'calls')
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const { ours }: Images = JSON.parse(readFileSync(join(repository, 'deploy/supply-chain/images.json'), 'utf8'))

describe('a release', () => {
  let releases: Releases
  let result: { status: number | null; out: string }
  beforeAll(async () => {
    releases = await Releases.create()
    result = releases.release('1.2.3')
  })

  it('ends with a clean tree and a signed tag that everybody can verify', () => {
    expect(result).toMatchObject({ status: 0 })
    expect(releases.git('status', '--porcelain')).toBe('')
    const signers = join(releases.root, 'deploy/supply-chain/release-signers')
    releases.git('-c', `gpg.ssh.allowedSignersFile=${signers}`, 'verify-tag', 'v1.2.3')
    expect(releases.git('log', '--format=%s')).toBe('release: 1.2.3\nimages: digests for 1.2.3\neverything')
  })

  it('packs and pushes every image from bases with digests', () => {
    const builds = releases.calls().filter((call) => call.startsWith('buildx build '))
    const pushed = builds.map((call) => /name=([^:,]+):1\.2\.3,push=true/.exec(call)?.[1])
    expect(pushed.sort()).toEqual(ours.map(({ name }) => `${REGISTRY}/${name}`).sort())
    for (const call of builds) expect(call).toMatch(/NODE_RUN=\S+@sha256:[0-9a-f]{64} /)
  })

  it('names every foreign image by digest, wherever it stands', () => {
    const { base, run }: Images = JSON.parse(releases.read('deploy/supply-chain/images.json'))
    expect([...base, ...run].filter(({ digest }) => digest === null)).toEqual([])
    for (const { image, tag, digest } of base)
      expect(releases.read('Dockerfile')).toContain(`=${image}:${tag}@${digest}\n`)
    expect(releases.read('deploy/compose.yaml')).toMatch(/postgres:[\w.-]+@sha256:[0-9a-f]{64}\n/)
    expect(releases.read('k8s/base/postgres.yaml')).toMatch(/imageName: \S+@sha256:[0-9a-f]{64}\n/)
  })

  it.each(['gke', 'k3s'])('names our images by digest in the overlay %s, and keeps what else is there', (overlay) => {
    const path = `k8s/overlays/${overlay}/kustomization.yaml`
    const before = parse(readFileSync(join(repository, path), 'utf8'))
    const after = parse(releases.read(path))
    expect({ ...after, images: undefined }).toEqual({ ...before, images: undefined })
    const digests = JSON.parse(releases.read('dist/release/1.2.3/images.json'))
    for (const { name, ...image } of after.images) {
      const short = name.replace('bitka/', '')
      expect(image).toEqual({ newName: `${REGISTRY}/${short}`, digest: digests[short] })
    }
  })

  it('gives compose a file with the same digests, which compose understands', () => {
    const files = ['deploy/compose.yaml', 'deploy/compose/release.yaml'].flatMap((path) => [
      '--file',
      join(releases.root, path),
    ])
    const lint = [join(repository, 'scripts/lint-compose.mjs'), '--print', ...files]
    const { services } = JSON.parse(execFileSync(process.execPath, lint, { encoding: 'utf8', maxBuffer: 1 << 26 }))
    const digests = JSON.parse(releases.read('dist/release/1.2.3/images.json'))
    expect(services.order).toMatchObject({ image: `${REGISTRY}/order@${digests.order}`, user: '47040:47040' })
    expect(services.order.build).toBeUndefined()
    expect(services['postgres-svid'].image).toBe(`${REGISTRY}/svid-files@${digests['svid-files']}`)
    expect(services.postgres.image).toMatch(/^docker\.io\/library\/postgres:.*@sha256:/)
  })

  it('says how it was made, of which commit and with which bases', () => {
    const statement = JSON.parse(releases.read('dist/release/1.2.3/provenance.intoto.json'))
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
    })
    const digests = JSON.parse(releases.read('dist/release/1.2.3/images.json'))
    expect(statement.subject).toContainEqual({
      name: `${REGISTRY}/order`,
      digest: { sha256: digests.order.replace('sha256:', '') },
    })
    const { externalParameters, resolvedDependencies } = statement.predicate.buildDefinition
    // What was built is the commit before the one that names the result.
    expect(externalParameters).toMatchObject({ version: '1.2.3', ref: releases.git('rev-parse', 'v1.2.3~1') })
    expect(resolvedDependencies).toContainEqual({
      uri: 'package-lock.json',
      digest: { sha256: sha256(releases.read('package-lock.json')) },
    })
  })

  it('is signed as a whole: a changed file or another signer shows', async () => {
    const folder = join(releases.root, 'dist/release/1.2.3')
    const sums = releases.read('dist/release/1.2.3/SHA256SUMS')
    const listed = sums
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('  '))
    for (const [hash, path] of listed)
      expect({ path, hash: sha256(releases.read(`dist/release/1.2.3/${path}`)) }).toEqual({ path, hash })
    expect(readdirSync(join(folder, 'sbom')).sort()).toEqual(ours.map(({ name }) => `${name}.cdx.json`).sort())
    const signers = join(releases.root, 'deploy/supply-chain/release-signers')
    const verify = (input: string, who: string): number | null => {
      const args = [
        '-Y',
        'verify',
        '-f',
        signers,
        '-I',
        who,
        '-n',
        'bitka-release',
        '-s',
        join(folder, 'SHA256SUMS.sig'),
      ]
      return spawnSync('ssh-keygen', args, { input }).status
    }
    expect(verify(sums, 'release')).toBe(0)
    expect(verify(`${sums} `, 'release')).not.toBe(0)
    expect(verify(sums, 'somebody')).not.toBe(0)
  })

  it('is never made again', () => {
    const again = releases.release('1.2.3')
    expect(again.status).toBe(1)
    expect(again.out).toContain('v1.2.3 is there already')
  })

  it('is followed by one that keeps the digests of the bases', () => {
    const asked = releases.calls().filter((call) => call.includes('imagetools')).length
    expect(releases.release('1.2.4')).toMatchObject({ status: 0 })
    expect(releases.calls().filter((call) => call.includes('imagetools')).length).toBe(asked)
    expect(releases.git('tag', '--list')).toBe('v1.2.3\nv1.2.4')
  })
})

it('can be tried without registry, key and docker, and then changes nothing', async () => {
  const releases = await Releases.create()
  const head = releases.git('rev-parse', 'HEAD')
  const env = { BITKA_RELEASE_REGISTRY: '', BITKA_RELEASE_KEY: '' }
  expect(releases.release('2.0.0-rc.1', { env, args: ['--dry-run'] })).toMatchObject({ status: 0 })
  expect(releases.calls()).toEqual([])
  expect(releases.git('rev-parse', 'HEAD')).toBe(head)
  expect(releases.git('tag', '--list')).toBe('')
  expect(releases.git('status', '--porcelain')).toBe('')
  const statement = JSON.parse(releases.read('dist/release/2.0.0-rc.1/provenance.intoto.json'))
  expect(statement.subject).toHaveLength(ours.length)
})

describe('nothing is made', () => {
  let releases: Releases
  beforeAll(async () => {
    releases = await Releases.create()
  })
  afterEach(() => {
    expect(releases.git('tag', '--list')).toBe('')
    expect(releases.calls().filter((call) => call.includes('push=true'))).toEqual([])
  })

  it.each([
    ['a version that is none', 'v1', {}, /semantic version/],
    ['a lint that fails', '1.0.0', { FAKE_LINT: 'fails' }, /make lint ended with 1/],
    ['no registry', '1.0.0', { BITKA_RELEASE_REGISTRY: '' }, /BITKA_RELEASE_REGISTRY/],
    ['no key', '1.0.0', { BITKA_RELEASE_KEY: '/nowhere/key' }, /BITKA_RELEASE_KEY/],
  ])('with %s', (_what, version, env, complaint) => {
    const { status, out } = releases.release(version, { env })
    expect(status).toBe(1)
    expect(out).toMatch(complaint)
  })

  it('of a tree that is not clean', async () => {
    await writeFile(join(releases.root, 'forgotten.txt'), 'x')
    const { status, out } = releases.release('1.0.0')
    expect(status).toBe(1)
    expect(out).toMatch(/not clean:\n\?\? forgotten\.txt/)
  })
})

it('is neither pushed nor tagged with a key that is not among the signers', async () => {
  const releases = await Releases.create()
  const other = join(await tempDir(), 'other')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other])
  const { status, out } = releases.release('1.0.0', { env: { BITKA_RELEASE_KEY: other } })
  expect(status).toBe(1)
  expect(out).toContain('nobody could verify this release')
  expect(releases.calls().filter((call) => call.includes('buildx'))).toEqual([])
  expect(releases.git('tag', '--list')).toBe('')
})
