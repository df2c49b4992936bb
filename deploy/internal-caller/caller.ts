import { request } from 'node:https'
import type { PeerCertificate } from 'node:tls'
import { type IdentityMaterial, spiffeId } from '@bitka/mesh'

export type Answer = { status: number; body: unknown }

export type CallerOptions = {
  /** Of the mesh listener: https://host:port. */
  url: string
  trustDomain: string
  /** This program's identity, asked for at each call: it changes while the program runs. */
  identity: () => Pick<IdentityMaterial, 'certificatePem' | 'privateKeyPem' | 'bundlePem'>
  timeoutMs?: number
}

/** The other side must be Envoy by its SPIFFE ID; its host name does not matter. */
export const mustBeEnvoy =
  (trustDomain: string) =>
  (_: string, { subjectaltname = '' }: PeerCertificate): Error | undefined => {
    const expected = `URI:${spiffeId(trustDomain, 'envoy')}`
    const uris = subjectaltname.split(', ').filter((name) => name.startsWith('URI:'))
    return uris.length === 1 && uris[0] === expected ? undefined : new Error(`the other side is ${subjectaltname}`)
  }

/** Reads from the exchange as a program of the mesh. @throws where there is no connection, or no answer in time */
export function read(path: string, options: CallerOptions): Promise<Answer> {
  const { certificatePem: cert, privateKeyPem: key, bundlePem: ca } = options.identity()
  return new Promise((resolve, reject) => {
    const ask = request(new URL(path, options.url), {
      ...{ cert, key, ca, minVersion: 'TLSv1.3', agent: false },
      checkServerIdentity: mustBeEnvoy(options.trustDomain),
      timeout: options.timeoutMs ?? 10_000,
    })
    ask.once('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.once('error', reject)
      response.once('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown })
        } catch (error) {
          reject(error as Error)
        }
      })
    })
    ask.once('timeout', () => ask.destroy(new Error('the exchange did not answer in time')))
    ask.once('error', reject)
    ask.end()
  })
}
