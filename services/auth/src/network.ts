import { isIPv4, isIPv6 } from 'node:net'

/** What counts as one place when sign-in failures are counted, for an address that is unknown or no address. */
const NOWHERE = 'unknown'

/**
 * The network that an address stands for: an IPv4 address itself, an IPv6 address's first 64 bits, since one customer gets
 * a whole /64 and could otherwise try every password from a fresh address.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return NOWHERE
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1]
  const plain = mapped ?? address.replace(/%.*$/, '')
  if (isIPv4(plain)) return plain
  return isIPv6(plain) ? `${firstGroups(plain)}::/64` : NOWHERE
}

function firstGroups(address: string): string {
  const [head = '', tail] = address.toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  // A dotted quad at the end stands for two groups.
  const rightCount = right.length + (right.at(-1)?.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? 0 : 8 - left.length - rightCount
  const groups = [...left, ...new Array<string>(zeros).fill('0'), ...right]
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
