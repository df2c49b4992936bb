import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'

/** An IPv4 address that came through an IPv6 socket is an IPv4 address. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')

type MaybeTls = { authorized?: boolean; getPeerCertificate?: () => PeerCertificate | object }

/**
 * The address of the person's client: the socket's. Only the front proxy may say otherwise, and it proves who it is by its
 * certificate; the same header from anybody else means nothing.
 */
export function clientAddress(req: IncomingMessage, trustDomain: () => string): string {
  const socket = plain(req.socket.remoteAddress ?? '')
  const told = req.headers['x-envoy-external-address']
  if (typeof told !== 'string' || isIP(told) === 0 || !isFrontProxy(req.socket as TLSSocket, trustDomain)) return socket
  return plain(told)
}

/** True when the other side has shown the identity of the front proxy. */
export function isFrontProxy(socket: MaybeTls, trustDomain: () => string): boolean {
  if (socket.authorized !== true || !socket.getPeerCertificate) return false
  const certificate = socket.getPeerCertificate()
  const names = 'subjectaltname' in certificate ? (certificate.subjectaltname ?? '') : ''
  const uris = names.split(', ').filter((name) => name.startsWith('URI:'))
  return uris.length === 1 && uris[0] === `URI:spiffe://${trustDomain()}/ns/bitka/sa/envoy`
}

/**
 * What a limit counts for an address. People own a whole IPv6 /64, so one of them is one caller.
 */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address
  return `${ipv6Groups(address).slice(0, 4).join(':')}::/64`
}

/** The network that an address belongs to: /24, or /64. */
export const networkKey = (address: string): string =>
  isIP(address) === 4 ? `${address.split('.').slice(0, 3).join('.')}.0/24` : addressKey(address)

function ipv6Groups(address: string): string[] {
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length)
  return [...first, ...Array<string>(missing).fill('0'), ...last].map((group) => group.replace(/^0+(?=.)/, ''))
}
