import { systemClock } from '@bitka/kernel'
import { toPem } from '@bitka/mesh'
import { Authority, type LeafOptions } from './authority.ts'
import { openAuthority } from './vault.ts'

/** An identity as PEM, for a TLS client that a test builds by hand. */
export type Svid = { certificatePem: string; privateKeyPem: string; bundlePem: string }

export async function issueSvid(authority: Authority, options: LeafOptions): Promise<Svid> {
  const { certificateDer, keyDer } = await authority.issue(options)
  return {
    certificatePem: toPem('CERTIFICATE', certificateDer),
    privateKeyPem: toPem('PRIVATE KEY', keyDer),
    bundlePem: authority.bundlePem(),
  }
}

/** Signs anything with the CA kept in `dir`, whoever runs it. For tests of what must be refused. */
export async function issueFrom(dir: string, trustDomain: string, options: Partial<LeafOptions>): Promise<Svid> {
  const authority = await openAuthority(dir, trustDomain, systemClock)
  return issueSvid(authority, { uris: [], notAfterMs: systemClock.nowMs() + 60_000, ...options })
}

/** A good-looking identity of a CA that nobody knows. For tests of what must be refused. */
export async function issueForeignSvid(
  trustDomain: string,
  uris: readonly string[],
  options: Partial<LeafOptions> = {},
): Promise<Svid> {
  const authority = await Authority.create(trustDomain, systemClock)
  return issueSvid(authority, { uris, notAfterMs: systemClock.nowMs() + 3_600_000, ...options })
}

/** Identities of a CA whose certificate a root signed, which is how SPIRE with an upstream authority issues them. For tests. */
export async function issueFromIntermediate(trustDomain: string, uris: readonly string[]): Promise<Svid[]> {
  const root = await Authority.create(trustDomain, systemClock)
  const below = await root.subordinate()
  return Promise.all(
    uris.map(async (uri) => {
      const svid = await issueSvid(below, { uris: [uri], notAfterMs: systemClock.nowMs() + 3_600_000 })
      const chain = `${svid.certificatePem}${below.bundlePem()}`
      return { certificatePem: chain, privateKeyPem: svid.privateKeyPem, bundlePem: root.bundlePem() }
    }),
  )
}
