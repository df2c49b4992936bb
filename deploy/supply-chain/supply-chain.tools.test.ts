import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { tempDir } from '@bitka/testkit'

const repository = dirname(repositoryFolder('deploy'))
const read = (path: string): string => readFileSync(join(repository, path), 'utf8')

/** Runs one check of `make lint`; answers what it complains of, and '' when it passes. */
function lint(name: string, ...args: string[]): string {
  const script = join(repository, `scripts/lint-${name}.mjs`)
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { cwd: repository, encoding: 'utf8' })
  if (status === 0) return ''
  return stderr || 'failed without a word'
}

async function fileOf(name: string, content: string): Promise<string> {
  const file = join(await tempDir(), name)
  await writeFile(file, content)
  return file
}

/** A change that must find what it changes: a test of something that is not there would prove nothing. */
function changed(text: string, from: string | RegExp, to: string): string {
  const after = text.replace(from, to)
  if (after === text) throw new Error(`there is no ${from} to change`)
  return after
}

describe('compose', () => {
  const compose = read('deploy/compose.yaml')
  const withFile = async (text: string): Promise<string> =>
    lint('compose', '--file', await fileOf('compose.yaml', text))

  it('passes as it is', async () => {
    expect(await withFile(compose)).toBe('')
  })

  it.each([
    ['a key that compose does not know', "    user: '47010:47010'", "    users: '47010:47010'", /users/],
    ['a network that is not there', 'networks: [mesh, data, egress]', 'networks: [mesh, date]', /date/],
    ['a secret that is not there', 'secrets: [postgres-password]', 'secrets: [password]', /password/],
    ['a variable without a value', '{DOCKER_GID:?', '{DOCKER_GROUP:?', /DOCKER_GROUP/],
    [
      'a published database',
      '    networks: [data]',
      '    networks: [data]\n    ports: [5432:5432]',
      /only Envoy publishes/,
    ],
    ['a service at the edge', '    networks: [mesh]', '    networks: [mesh, edge]', /only Envoy is on the edge/],
    ['a network with a way out', 'data: { internal: true }', 'data: {}', /data must be internal/],
    ['root', "user: '47030:47030'", "user: '0:0'", /ledger: runs as root/],
    ['a file system that can be changed', '  read_only: true', '  read_only: false', /needs read_only/],
    ['rights', '  cap_drop: [ALL]', '  cap_drop: [NET_RAW]', /needs cap_drop/],
    [
      'a privileged container',
      '    mem_limit: 2g',
      '    privileged: true\n    mem_limit: 2g',
      /must not have privileged/,
    ],
    ['no limit of memory', '    mem_limit: 768m\n', '', /needs mem_limit/],
    [
      'a secret in the environment',
      'BITKA_AUTH_KEK_FILE: /run/secrets/auth-kek',
      'BITKA_AUTH_KEK: c2VjcmV0',
      /as a file/,
    ],
    ['no tag', 'postgres:18.1-trixie', 'postgres:latest', /needs an image with a tag/],
  ])('fails on %s', async (_what, from, to, complaint) => {
    expect(await withFile(changed(compose, from, to))).toMatch(complaint)
  })
})

describe('images', () => {
  const dockerfile = read('Dockerfile')
  const withDockerfile = async (text: string): Promise<string> =>
    lint('images', '--no-build', '--dockerfile', await fileOf('Dockerfile', text))

  it('pass as they are', () => {
    expect(lint('images', '--no-build')).toBe('')
  })

  it.each([
    ['an instruction that BuildKit does not know', 'WORKDIR /src', 'WORKFOLDER /src', /unknown instruction/],
    ['a base that is not in the list', /FROM \S+ AS envoy/, 'FROM envoy:dev AS envoy', /the base envoy:dev/],
    [
      'another version of a base',
      'envoyproxy/envoy:v1.40.0',
      'envoyproxy/envoy:v1.39.0',
      /images\.json has .*v1\.40\.0/,
    ],
    ['root', 'USER 65532:65532', 'USER 0:0', /program needs USER/],
    ['a shell in front of the program', /ENTRYPOINT \["\/nodejs.*/, 'ENTRYPOINT node /app/main.mjs', /JSON/],
    ['a stage that is gone', ' AS spire-register', ' AS spire-registrar', /no stage spire-register/],
  ])('fail on %s', async (_what, from, to, complaint) => {
    expect(await withDockerfile(changed(dockerfile, from, to))).toMatch(complaint)
  })

  it.each([
    ['an image that nobody knows', 'docker.io/library/redis:8.0.0', /not in images\.json/],
    ['another version than everywhere else', 'docker.io/library/postgres:17.0-trixie', /images\.json has/],
    ['an image of ours that is never made', 'bitka/treasury', /makes no such image/],
  ])('fail on a manifest with %s', async (_what, image, complaint) => {
    const manifest = await fileOf('pod.yaml', `kind: Pod\nspec: { containers: [{ name: one, image: '${image}' }] }\n`)
    expect(lint('images', '--no-build', '--manifest', manifest)).toMatch(complaint)
  })

  it('fail on a tag that moves', async () => {
    const images = await fileOf(
      'images.json',
      changed(read('deploy/supply-chain/images.json'), '"v1.40.0"', '"latest"'),
    )
    expect(lint('images', '--no-build', '--images', images)).toMatch(/envoy-run: needs a tag that stays/)
  })
})

describe('secrets', () => {
  // Put together here, so that this file is not itself a finding.
  const token = ['ghp', 'a8Kd0fJ3nQ7xT2vLz9RwB5mYc1HsE6uPgXoV'].join('_')
  const git = (folder: string, ...args: string[]): void => {
    const who = ['-c', 'user.name=test', '-c', 'user.email=test@example.org', '-c', 'commit.gpgsign=false']
    execFileSync('git', [...who, ...args], { cwd: folder, stdio: 'ignore' })
  }
  async function repositoryWith(): Promise<string> {
    const folder = await tempDir()
    git(folder, 'init', '-q')
    await writeFile(join(folder, 'readme.md'), 'nothing to see\n')
    git(folder, 'add', '.')
    git(folder, 'commit', '-q', '-m', 'first')
    return folder
  }

  it('pass a history without any', async () => {
    expect(lint('secrets', await repositoryWith())).toBe('')
  })

  it('are found in a commit whose change was taken back', async () => {
    const folder = await repositoryWith()
    await writeFile(join(folder, 'config.env'), `TOKEN=${token}\n`)
    git(folder, 'add', '.')
    git(folder, 'commit', '-q', '-m', 'oops')
    git(folder, 'rm', '-q', 'config.env')
    git(folder, 'commit', '-q', '-m', 'gone')
    expect(lint('secrets', folder)).toMatch(/found in the history/)
  })

  it('are found before they are committed', async () => {
    const folder = await repositoryWith()
    await mkdir(join(folder, 'src'))
    await writeFile(join(folder, 'src/config.ts'), `export const token = '${token}'\n`)
    git(folder, 'add', '.')
    expect(lint('secrets', folder)).toMatch(/found in what is staged/)
    git(folder, 'reset', '-q')
    git(folder, 'add', '-N', '.')
    expect(lint('secrets', folder)).toMatch(/found in what is changed/)
  })
})

describe('licences', () => {
  const lockWith = (entry: object): Promise<string> =>
    fileOf(
      'lock.json',
      JSON.stringify({ packages: { '': {}, 'node_modules/some-package': { version: '1.0.0', ...entry } } }),
    )
  const rulesWith = (exceptions: object): Promise<string> =>
    fileOf('rules.json', JSON.stringify({ allowed: ['MIT', 'ISC'], exceptions }))

  it.each([
    ['one of the list', { license: 'MIT' }, ''],
    ['a choice with one of the list', { license: '(GPL-3.0 OR MIT)' }, ''],
    ['one that is not in the list', { license: 'GPL-3.0' }, /some-package 1\.0\.0: GPL-3\.0/],
    ['two at once, one of them not in the list', { license: 'MIT AND GPL-3.0' }, /GPL-3\.0/],
    ['none', {}, /no licence is stated/],
    ['a strange one, of a package that does not ship', { license: 'GPL-3.0', dev: true }, ''],
  ])('judge %s', async (_what, entry, complaint) => {
    const result = lint('licences', '--lock', await lockWith(entry), '--rules', await rulesWith({}))
    if (typeof complaint === 'string') expect(result).toBe(complaint)
    else expect(result).toMatch(complaint)
  })

  it('take an exception with a reason, for as long as it is needed', async () => {
    const rules = await rulesWith({ 'some-package': { licence: 'MPL-2.0', reason: 'unchanged, and its files say so' } })
    const check = async (license: string) => lint('licences', '--lock', await lockWith({ license }), '--rules', rules)
    expect(await check('MPL-2.0')).toBe('')
    expect(await check('GPL-3.0')).toMatch(/some-package/)
    expect(await check('MIT')).toMatch(/not needed any more/)
  })
})

describe('advisories', () => {
  const advisory = {
    name: 'some-package',
    url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
    severity: 'high',
    range: '<2',
    title: 'reads more than it should',
  }
  const report = (vulnerabilities: object) => fileOf('report.json', JSON.stringify({ vulnerabilities }))
  const found = () => report({ 'some-package': { via: [advisory] }, 'its-user': { via: ['some-package'] } })
  const exceptions = (expires: string) =>
    fileOf(
      'exceptions.json',
      JSON.stringify([{ id: 'GHSA-aaaa-bbbb-cccc', reason: 'not reachable from outside', expires }]),
    )
  const none = () => fileOf('exceptions.json', '[]')
  const check = async (reported: string, excused: string): Promise<string> =>
    lint('audit', '--report', reported, '--exceptions', excused, '--today', '2026-06-01')

  it('fail on one that is not excused', async () => {
    expect(await check(await found(), await none())).toMatch(/GHSA-aaaa-bbbb-cccc: high: some-package/)
  })

  it('pass with an exception that is still good, and fail once it has ended or is not needed', async () => {
    expect(await check(await found(), await exceptions('2026-06-01'))).toBe('')
    expect(await check(await found(), await exceptions('2026-05-31'))).toMatch(/ended on 2026-05-31/)
    expect(await check(await report({}), await exceptions('2026-12-31'))).toMatch(/not needed any more/)
  })

  it('say so when the registry has none to give, and still hold exceptions to their day', async () => {
    const silent = await fileOf('report.json', '{"message":"405 Method Not Allowed"}')
    expect(await check(silent, await none())).toBe('')
    expect(await check(silent, await exceptions('2026-05-31'))).toMatch(/ended on/)
  })
})
