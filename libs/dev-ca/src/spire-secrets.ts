// x509 needs it, and needs it first.
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemClock } from '@bitka/kernel'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

cryptoProvider.set(webcrypto)

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
const YEARS = 10
const BACKDATE_MS = 30_000

type Signer = { name: string; keys: webcrypto.CryptoKeyPair }
type Made = Signer & { certificatePem: string; keyPem: string }

/**
 * What a SPIRE server and its agent on one node start from, in a folder that only we may enter: root.pem and root-key.pem (the
 * mesh's root, which signs the server's own CA), node-ca.pem, node.pem and node-key.pem (what the node proves itself with).
 * Nothing is changed when the folder is there. Answers whether it was made.
 */
export async function writeSpireSecrets(folder: string, trustDomain: string, nodeName: string): Promise<boolean> {
  if (await exists(folder)) return false
  const root = await createCa('CN=BitKa root', [
    new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
  ])
  // The key of the node CA is not kept: a new node gets a new CA, appended to node-ca.pem.
  const nodeCa = await createCa('CN=BitKa node CA', [])
  const node = await createLeaf(`CN=${nodeName}`, nodeCa)
  await mkdir(dirname(folder), { recursive: true })
  const fresh = await mkdtemp(`${folder}.`)
  try {
    const files = {
      'root.pem': root.certificatePem,
      'root-key.pem': root.keyPem,
      'node-ca.pem': nodeCa.certificatePem,
      'node.pem': node.certificatePem,
      'node-key.pem': node.keyPem,
    }
    for (const [name, content] of Object.entries(files)) await writeFile(join(fresh, name), content, { mode: 0o600 })
    // Whole or not at all.
    await rename(fresh, folder)
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  return true
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const createCa = async (name: string, more: Extension[]): Promise<Made> => {
  const keys = await createKeys()
  return create(name, { name, keys }, keys, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ...more,
  ])
}

const createLeaf = async (name: string, ca: Signer): Promise<Made> =>
  create(name, ca, await createKeys(), [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    await AuthorityKeyIdentifierExtension.create(ca.keys.publicKey),
  ])

const createKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify'])

async function create(
  name: string,
  issuer: Signer,
  keys: webcrypto.CryptoKeyPair,
  extensions: Extension[],
): Promise<Made> {
  const notBefore = new Date(systemClock.nowMs() - BACKDATE_MS)
  const notAfter = new Date(notBefore)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + YEARS)
  const certificate = await X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    subject: name,
    issuer: issuer.name,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: SIGNING,
    extensions: [...extensions, await SubjectKeyIdentifierExtension.create(keys.publicKey)],
  })
  return {
    name,
    keys,
    certificatePem: `${certificate.toString('pem')}\n`,
    keyPem: `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')}\n`,
  }
}
