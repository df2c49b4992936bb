import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualClock, silentLogger } from '@bitka/kernel'
import { grpcDefinition, WorkloadIdentity } from '@bitka/mesh'
import { SpiffeWorkloadAPI, type X509BundlesResponse } from '@bitka/proto/spiffe/workload_pb'
import { waitFor } from '@bitka/testkit'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { Authority } from '../src/authority.ts'
import { type DevCa, type DevCaOptions, stageRoot, startDevCa, svidFiles } from '../src/index.ts'

let dir: string
const running: DevCa[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bitka-ca-'))
})
afterEach(async () => {
  for (const ca of running.splice(0)) await ca.stop()
  await rm(dir, { recursive: true, force: true })
})

async function start(options: Partial<DevCaOptions> = {}): Promise<DevCa> {
  const ca = await startDevCa({ dir, services: [{ name: 'order' }, { name: 'ledger' }], log: silentLogger, ...options })
  running.push(ca)
  return ca
}

async function withIdentity<T>(ca: DevCa, use: (identity: WorkloadIdentity) => Promise<T> | T): Promise<T> {
  const identity = WorkloadIdentity.connect({ socketPath: ca.socketPath('order'), log: silentLogger })
  try {
    await identity.ready({ timeoutMs: 30_000 })
    return await use(identity)
  } finally {
    identity.close()
  }
}

/** Calls FetchX509Bundles by hand: the first answer, or the error. */
function fetchBundles(ca: DevCa, metadata: Metadata): Promise<X509BundlesResponse | Error> {
  const { path, requestSerialize, responseDeserialize } = grpcDefinition(SpiffeWorkloadAPI).fetchX509Bundles!
  const client = new Client(`unix:${ca.socketPath('order')}`, credentials.createInsecure())
  return new Promise((resolve) => {
    const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {}, metadata)
    stream.on('error', resolve)
    stream.on('data', (answer: X509BundlesResponse) => {
      resolve(answer)
      stream.cancel()
      client.close()
    })
  })
}

const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8)

it('issues what the SPIFFE standard asks of an X.509-SVID', async () => {
  const material = await withIdentity(await start({ ttlSeconds: 600 }), (identity) => identity.current())
  const leaf = new X509Certificate(material.certificatePem)
  expect(leaf.subjectAltName).toBe('URI:spiffe://bitka.local/ns/bitka/sa/order')
  expect(leaf.ca).toBe(false)
  expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  expect(leaf.verify(new X509Certificate(material.bundlePem).publicKey)).toBe(true)
  expect(material.notAfterMs - Date.now()).toBeLessThanOrEqual(600_000)
  expect(material.notBeforeMs).toBeLessThan(Date.now())
})

it('lets only its owner open a socket, and nobody read the root', async () => {
  const ca = await start()
  expect(await mode(ca.socketPath('order'))).toBe('600')
  expect(await mode(join(dir, 'sockets'))).toBe('711')
  expect(await mode(join(dir, 'authority.json'))).toBe('600')
  expect(() => ca.socketPath('audit')).toThrow('was not told of audit')
})

it('gives a socket to its account', async () => {
  // Only root can give a file away; anybody else can give it to themselves.
  const own = process.getuid?.() ?? 0
  const uid = own === 0 ? 65_534 : own
  const ca = await start({ services: [{ name: 'order', uid }] })
  expect((await stat(ca.socketPath('order'))).uid).toBe(uid)
})

it('finds a short place for sockets when the directory is deep', async () => {
  const deep = join(dir, 'x'.repeat(100))
  const ca = await start({ dir: deep })
  expect(ca.socketPath('order').startsWith(deep)).toBe(false)
  await withIdentity(ca, (identity) => expect(identity.current().spiffeId).toContain('/sa/order'))
  expect(await mode(join(deep, 'authority.json'))).toBe('600')
})

it('is the same authority after a restart', async () => {
  const bundleOf = async (ca: DevCa) => (await ca.issue({})).bundlePem
  const first = await start()
  const before = await bundleOf(first)
  await first.rotateCa(0)
  const both = await bundleOf(first)
  expect(both).toContain(before.trim())
  await first.stop()
  expect(await bundleOf(await start())).toBe(both)
  expect(await readFile(join(dir, 'authority.json'), 'utf8')).toContain('PRIVATE KEY')
  await expect(start({ trustDomain: 'other.test' })).rejects.toThrow('is for bitka.local')
})

it('replaces certificates at half their life, and when told to', async () => {
  const ca = await start({ ttlSeconds: 2 })
  await withIdentity(ca, async (identity) => {
    const first = identity.current().certificatePem
    await waitFor(() => identity.current().certificatePem !== first)
    const second = identity.current().certificatePem
    await ca.rotateNow()
    await waitFor(() => identity.current().certificatePem !== second)
  })
})

it('forgets an old root once its last certificate has expired', async () => {
  const clock = new ManualClock(Date.now())
  const authority = await Authority.create('bitka.local', clock)
  await authority.stageRoot()
  expect(authority.bundlePem().match(/BEGIN/g)).toHaveLength(2)
  authority.promote()
  clock.advance(3_600_000 - 1)
  authority.dropRetired(3_600_000)
  expect(authority.bundlePem().match(/BEGIN/g)).toHaveLength(2)
  clock.advance(1)
  authority.dropRetired(3_600_000)
  expect(authority.bundlePem().match(/BEGIN/g)).toHaveLength(1)
  await authority.issue({ uris: [], notAfterMs: clock.nowMs() + 1_000 })
})

describe('a change of the root', () => {
  const roots = (pem: string): string[] => pem.match(/-----BEGIN[^-]+-----[^-]+-----END/g) ?? []
  const signedBy = ({ certificatePem, bundlePem }: { certificatePem: string; bundlePem: string }): number =>
    roots(bundlePem).findIndex((root) =>
      new X509Certificate(certificatePem).verify(new X509Certificate(`${root} CERTIFICATE-----`).publicKey),
    )

  it('is known to everybody before it signs, and certificates are renewed meanwhile', async () => {
    const ca = await start()
    await withIdentity(ca, async (identity) => {
      const [old] = roots(identity.current().bundlePem)
      const rotated = ca.rotateCa(4_000)
      await waitFor(() => roots(identity.current().bundlePem).length === 2)
      const before = identity.current().certificatePem
      await ca.rotateNow()
      await waitFor(() => identity.current().certificatePem !== before)
      expect(roots(identity.current().bundlePem)[0]).toBe(old)
      expect(signedBy(identity.current())).toBe(0)
      await rotated
      await waitFor(() => roots(identity.current().bundlePem)[1] === old)
      expect(signedBy(identity.current())).toBe(0)
    })
  })

  it('goes on after a CA that ended in the middle of it', async () => {
    const first = await start()
    const interrupted = first.rotateCa(60_000).catch((error: Error) => error.name)
    await waitFor(async () => roots((await first.issue({})).bundlePem).length === 2)
    const bundle = (await first.issue({})).bundlePem
    await first.stop()
    expect(await interrupted).toBe('AbortError')
    const second = await start({ stagedOverlapMs: 4_000 })
    const during = await second.issue({})
    // The same two roots, the old one still signing.
    expect(during.bundlePem).toBe(bundle)
    expect(signedBy(during)).toBe(0)
    await waitFor(async () => (await second.issue({})).bundlePem !== bundle)
    expect(roots((await second.issue({})).bundlePem)).toEqual(roots(bundle).reverse())
  })

  it('that was staged while the CA was away is known before it signs, and is made once', async () => {
    const first = await start()
    const [old] = roots((await first.issue({})).bundlePem)
    await first.stop()
    await stageRoot(dir, 'bitka.local')
    await stageRoot(dir, 'bitka.local')
    const second = await start({ stagedOverlapMs: 4_000 })
    const during = await second.issue({})
    expect(roots(during.bundlePem)).toHaveLength(2)
    expect(roots(during.bundlePem)[0]).toBe(old)
    await waitFor(async () => roots((await second.issue({})).bundlePem)[1] === old)
  })
})

it('answers only calls that carry the header of the Workload API', async () => {
  const ca = await start()
  expect(await fetchBundles(ca, new Metadata())).toMatchObject({ code: 3 })
  const metadata = new Metadata()
  metadata.set('workload.spiffe.io', 'true')
  expect(await fetchBundles(ca, metadata)).toMatchObject({
    bundles: { 'spiffe://bitka.local': expect.any(Uint8Array) },
  })
})

describe('files', () => {
  const workload = (filesDir: string) => [{ name: 'kafka', dnsNames: ['localhost'], filesDir }]

  it('hold the certificate, the key, both together, and the roots', async () => {
    const filesDir = join(dir, 'files', 'kafka')
    await start({ services: workload(filesDir) })
    const { certFile, keyFile, keystoreFile, caFile } = svidFiles(filesDir)
    const leaf = new X509Certificate(await readFile(certFile))
    expect(leaf.subjectAltName).toBe('URI:spiffe://bitka.local/ns/bitka/sa/kafka, DNS:localhost')
    expect(leaf.checkPrivateKey(createPrivateKey(await readFile(keyFile)))).toBe(true)
    expect(leaf.verify(new X509Certificate(await readFile(caFile)).publicKey)).toBe(true)
    expect(await readFile(keystoreFile, 'utf8')).toBe(
      (await readFile(keyFile, 'utf8')) + (await readFile(certFile, 'utf8')),
    )
    expect(await mode(keyFile)).toBe('600')
    expect(await mode(filesDir)).toBe('700')
  })

  it('are replaced all at once, and older ones go', async () => {
    const filesDir = join(dir, 'files', 'kafka')
    const ca = await start({ services: workload(filesDir) })
    const before = await readFile(join(filesDir, 'svid.pem'), 'utf8')
    const target = await readlink(join(filesDir, '..data'))
    await ca.rotateCa(0)
    expect(await readFile(join(filesDir, 'svid.pem'), 'utf8')).not.toBe(before)
    expect((await readFile(join(filesDir, 'bundle.pem'), 'utf8')).match(/BEGIN/g)).toHaveLength(2)
    expect(await readlink(join(filesDir, '..data'))).not.toBe(target)
    expect((await readdir(filesDir)).filter((name) => name.startsWith('..svid-'))).toHaveLength(1)
  })
})
