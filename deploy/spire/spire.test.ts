import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeSpireSecrets } from '@bitka/dev-ca'
import { repositoryFolder } from '@bitka/service'
import { parseAllDocuments } from 'yaml'
import { infrastructure, serviceTable } from '../table/index.ts'
import { clusterSpiffeIds, platforms, registrationEntries, renderEntries } from './entries.ts'
import { register, spireServer } from './register.ts'

const folder = repositoryFolder('deploy/spire')
let scratch: string

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'bitka-spire-'))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

describe('registration entries', () => {
  it.each(platforms)('as committed for %s are those of the service table', (platform) => {
    const file = join(folder, 'rendered', platform === 'k8s' ? 'k8s.yaml' : `${platform}.json`)
    expect(readFileSync(file, 'utf8')).toBe(renderEntries(platform, 'bitka.local'))
  })

  it('give every service and every part one identity, known by one thing that no other has', () => {
    const names = [...serviceTable, ...infrastructure]
      .map(({ name }) => name)
      .filter((name) => name !== 'internal-caller')
    for (const platform of ['compose', 'unix'] as const) {
      const entries = registrationEntries(platform, 'exchange.test')
      expect(entries.map(({ spiffe_id: id }) => id)).toEqual(
        names.map((name) => `spiffe://exchange.test/ns/bitka/sa/${name}`),
      )
      const selectors = entries.map((entry) => JSON.stringify(entry.selectors))
      expect(new Set(selectors).size).toBe(names.length)
      expect(entries.every((entry) => entry.selectors.length === 1)).toBe(true)
    }
    expect(clusterSpiffeIds()).toHaveLength(names.length)
  })

  it('bind an identity in Kubernetes to label, namespace and service account', () => {
    const documents = parseAllDocuments(renderEntries('k8s', 'bitka.local')).map((document) => document.toJS())
    expect(documents.find(({ metadata }) => metadata.name === 'bitka-ledger').spec).toEqual({
      spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/ns/bitka/sa/ledger',
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'bitka' } },
      podSelector: { matchLabels: { 'bitka.workload': 'ledger' } },
      workloadSelectorTemplates: ['k8s:ns:bitka', 'k8s:sa:ledger'],
    })
  })
})

describe('the agent that entries belong to', () => {
  it.each(['compose', 'unix'] as const)(
    'has in %s the ID that the server makes of its certificate',
    async (platform) => {
      const template = /agent_path_template = "(.*)"/.exec(
        readFileSync(join(folder, platform, 'server.conf'), 'utf8'),
      )?.[1]
      await writeSpireSecrets(join(scratch, 'secrets'), 'bitka.local', 'node')
      const node = new X509Certificate(readFileSync(join(scratch, 'secrets', 'node.pem')))
      const name = /^CN=(.+)$/m.exec(node.subject)?.[1] ?? ''
      const path = template?.replace('{{ .Subject.CommonName }}', name)
      for (const { parent_id: parent } of registrationEntries(platform, 'bitka.local')) {
        expect(parent).toBe(`spiffe://bitka.local/spire/agent${path}`)
      }
    },
  )
})

describe('the secrets of an installation', () => {
  it('are a root of the trust domain and a node that proves itself, for us alone', async () => {
    const secrets = join(scratch, 'secrets')
    expect(await writeSpireSecrets(secrets, 'exchange.test', 'node')).toBe(true)
    const read = (name: string) => new X509Certificate(readFileSync(join(secrets, name)))
    const [root, nodeCa, node] = [read('root.pem'), read('node-ca.pem'), read('node.pem')]
    expect(root.ca && root.verify(root.publicKey)).toBe(true)
    expect(root.subjectAltName).toBe('URI:spiffe://exchange.test')
    expect(node.verify(nodeCa.publicKey) && !node.ca).toBe(true)
    // Who holds the node's key must not be able to issue identities, nor the other way round.
    expect(node.verify(root.publicKey)).toBe(false)
    expect(statSync(secrets).mode & 0o077).toBe(0)
    for (const name of readdirSync(secrets)) expect(statSync(join(secrets, name)).mode & 0o077).toBe(0)
  })

  it('stay when they are there', async () => {
    const secrets = join(scratch, 'secrets')
    await writeSpireSecrets(secrets, 'exchange.test', 'node')
    const before = readFileSync(join(secrets, 'root.pem'), 'utf8')
    expect(await writeSpireSecrets(secrets, 'exchange.test', 'node')).toBe(false)
    expect(readFileSync(join(secrets, 'root.pem'), 'utf8')).toBe(before)
  })
})

describe('registering', () => {
  const [first, second, third] = registrationEntries('unix', 'bitka.local')
  if (!first || !second || !third) throw new Error('the table is empty')

  it('creates what is missing, updates what is there, deletes what is gone, and leaves others alone', async () => {
    const calls: { args: readonly string[]; ids: string[] }[] = []
    const known = [{ id: second.entry_id }, { id: 'bitka-custody' }, { id: 'somebody-else' }]
    const counts = await register(
      async (args, input) => {
        const { entries = [] } = input === undefined ? {} : (JSON.parse(input) as { entries?: { entry_id: string }[] })
        calls.push({ args, ids: entries.map(({ entry_id: id }) => id) })
        return args[1] === 'show' ? JSON.stringify({ entries: known, next_page_token: '' }) : ''
      },
      [first, second, third],
    )
    expect(calls).toEqual([
      { args: ['entry', 'show', '-output', 'json'], ids: [] },
      { args: ['entry', 'delete', '-entryID', 'bitka-custody'], ids: [] },
      { args: ['entry', 'update', '-data', '-'], ids: [second.entry_id] },
      { args: ['entry', 'create', '-data', '-'], ids: [first.entry_id, third.entry_id] },
    ])
    expect(counts).toEqual({ created: 2, updated: 1, deleted: 1 })
  })

  it('speaks to the server through its program, and fails with what that says', async () => {
    const binary = join(scratch, 'spire-server')
    const record = join(scratch, 'record')
    writeFileSync(
      binary,
      `#!/bin/sh\necho "$@" >> ${record}\n[ "$2" = show ] && echo '{"entries":[]}' && exit 0\ncat >> ${record}\n`,
    )
    chmodSync(binary, 0o755)
    await register(spireServer(binary, '/run/api.sock'), [first])
    expect(readFileSync(record, 'utf8')).toBe(
      `entry show -output json -socketPath /run/api.sock\nentry create -data - -socketPath /run/api.sock\n${JSON.stringify({ entries: [first] })}`,
    )
    writeFileSync(binary, '#!/bin/sh\necho "no such socket" >&2\nexit 1\n')
    await expect(register(spireServer(binary, '/run/api.sock'), [first])).rejects.toThrow(
      /entry show failed: no such socket/,
    )
  })
})
