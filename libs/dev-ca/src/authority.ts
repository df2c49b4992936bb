// x509 needs it, and needs it first.
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import type { Clock } from '@bitka/kernel'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

cryptoProvider.set(webcrypto)

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
const ROOT_YEARS = 10
/** Clocks differ a little; a certificate is good from this long before it was made. */
const BACKDATE_MS = 30_000

/** A key and its certificate, as the Workload API carries them. */
export type Issued = { certificateDer: Uint8Array<ArrayBuffer>; keyDer: Uint8Array<ArrayBuffer>; notAfterMs: number }

/** A root; `key` only while it signs, or is to sign next. */
export type Root = { certificate: X509Certificate; key?: webcrypto.CryptoKey; retiredAtMs?: number }

export type LeafOptions = {
  /** The names in the certificate: one SPIFFE ID, except in tests. */
  uris: readonly string[]
  /** Host names, for programs whose clients check those and not the SPIFFE ID. */
  dnsNames?: readonly string[]
  notBeforeMs?: number
  notAfterMs: number
}

/** How a root is kept on disk. */
export type StoredRoot = { certificatePem: string; keyPem?: string; retiredAtMs?: number }

/** Signs leaves with its newest root and knows the older ones that still have leaves about. */
export class Authority {
  private constructor(
    private readonly clock: Clock,
    readonly trustDomain: string,
    private list: Root[],
  ) {}

  static async create(trustDomain: string, clock: Clock): Promise<Authority> {
    return new Authority(clock, trustDomain, [await createRoot(trustDomain, clock)])
  }

  static async restore(trustDomain: string, clock: Clock, stored: readonly StoredRoot[]): Promise<Authority> {
    const authority = new Authority(clock, trustDomain, await Promise.all(stored.map(restoreRoot)))
    if (!authority.list.some((root) => root.key)) throw new Error('the stored CA has no root that can sign')
    return authority
  }

  /** All roots to trust, the signing one first. */
  bundleDer(): Uint8Array<ArrayBuffer> {
    return Buffer.concat(this.list.map(({ certificate }) => new Uint8Array(certificate.rawData)))
  }

  bundlePem(): string {
    return this.list.map(({ certificate }) => `${certificate.toString('pem')}\n`).join('')
  }

  /** A new root that is trusted from now on and signs after `promote`; nothing when one is staged already. */
  async stageRoot(): Promise<void> {
    if (this.staged) return
    this.list = [...this.list, await createRoot(this.trustDomain, this.clock)]
  }

  /** The root that is trusted and does not sign yet. */
  get staged(): Root | undefined {
    const [, next] = this.list.filter(({ key }) => key)
    return next
  }

  /** Makes the staged root the signing one; the others are trusted for a while. Nothing when none is staged. */
  promote(): void {
    const next = this.staged
    if (!next) return
    const nowMs = this.clock.nowMs()
    const older = this.list.filter((root) => root !== next)
    this.list = [next, ...older.map(({ certificate, retiredAtMs = nowMs }): Root => ({ certificate, retiredAtMs }))]
  }

  /** Stops trusting roots that have not signed for `ttlMs`: all their leaves have expired. */
  dropRetired(ttlMs: number): void {
    const beforeMs = this.clock.nowMs() - ttlMs
    this.list = this.list.filter(({ retiredAtMs }) => retiredAtMs === undefined || retiredAtMs > beforeMs)
  }

  /** A new key and a leaf for it. */
  async issue({
    uris,
    dnsNames = [],
    notBeforeMs = this.clock.nowMs() - BACKDATE_MS,
    notAfterMs,
  }: LeafOptions): Promise<Issued> {
    const root = this.list.find(({ key }) => key)
    if (!root?.key) throw new Error('the CA has no root that can sign')
    const pair = await createKey()
    const extensions: Extension[] = [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      await AuthorityKeyIdentifierExtension.create(root.certificate.publicKey),
      await SubjectKeyIdentifierExtension.create(pair.publicKey),
    ]
    const names = [
      ...uris.map((value) => ({ type: 'url' as const, value })),
      ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ]
    if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension(names))
    const certificate = await X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: 'O=BitKa development',
      issuer: root.certificate.subject,
      notBefore: new Date(notBeforeMs),
      notAfter: new Date(notAfterMs),
      publicKey: pair.publicKey,
      signingKey: root.key,
      signingAlgorithm: SIGNING,
      extensions,
    })
    return {
      certificateDer: new Uint8Array(certificate.rawData),
      keyDer: new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey)),
      notAfterMs,
    }
  }

  /** An authority whose certificate the signing root has signed: its leaves lead to the root through it. */
  async subordinate(): Promise<Authority> {
    const root = this.list.find(({ key }) => key)
    if (!root?.key) throw new Error('the CA has no root that can sign')
    const signer = { name: root.certificate.subject, key: root.key }
    return new Authority(this.clock, this.trustDomain, [await createRoot(this.trustDomain, this.clock, signer)])
  }

  store(): Promise<StoredRoot[]> {
    return Promise.all(
      this.list.map(async ({ certificate, key, retiredAtMs }) => ({
        certificatePem: certificate.toString('pem'),
        keyPem: key && PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY'),
        retiredAtMs,
      })),
    )
  }
}

const createKey = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify'])

/** Positive, as RFC 5280 wants it. */
const serialNumber = (): string => `01${randomBytes(15).toString('hex')}`

async function createRoot(
  trustDomain: string,
  clock: Clock,
  signer?: { name: string; key: webcrypto.CryptoKey },
): Promise<Root> {
  const pair = await createKey()
  const notBefore = new Date(clock.nowMs() - BACKDATE_MS)
  const notAfter = new Date(notBefore)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + ROOT_YEARS)
  // A name of its own, so that nobody takes one root for the other while both are trusted.
  const subject = `CN=BitKa development CA ${randomBytes(4).toString('hex')}`
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: signer?.name ?? subject,
    notBefore,
    notAfter,
    publicKey: pair.publicKey,
    signingKey: signer?.key ?? pair.privateKey,
    signingAlgorithm: SIGNING,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
      await SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  })
  return { certificate, key: pair.privateKey }
}

async function restoreRoot({ certificatePem, keyPem, retiredAtMs }: StoredRoot): Promise<Root> {
  const certificate = new X509Certificate(certificatePem)
  if (keyPem === undefined) return { certificate, retiredAtMs }
  const [der] = PemConverter.decode(keyPem)
  if (!der) throw new Error('the stored CA key cannot be read')
  return { certificate, retiredAtMs, key: await webcrypto.subtle.importKey('pkcs8', der, KEY, true, ['sign']) }
}
