import { networkOf } from '../network.ts'
import { delayMs, FAILURES_FORGOTTEN_MS, waitMs } from './sign-in-delay.ts'

describe('the delay after failures', () => {
  it.each([
    // failures, stranger, known place
    [0, 0, 0],
    [4, 0, 0],
    [5, 1_000, 1_000],
    [6, 2_000, 2_000],
    [8, 8_000, 8_000],
    [9, 16_000, 10_000],
    [14, 512_000, 10_000],
    [15, 900_000, 10_000],
    [1_000, 900_000, 10_000],
  ])('after %i is %i ms, and %i ms where the user signed in before', (count, stranger, known) => {
    expect([delayMs(count, false), delayMs(count, true)]).toEqual([stranger, known])
  })

  it('runs out, and is forgotten after a day', () => {
    const failures = { count: 6, lastAtMs: 10_000 }
    expect(waitMs(undefined, false, 0)).toBe(0)
    expect(waitMs(failures, false, 10_500)).toBe(1_500)
    expect(waitMs(failures, false, 12_000)).toBe(0)
    expect(waitMs({ count: 900, lastAtMs: 0 }, false, FAILURES_FORGOTTEN_MS)).toBe(0)
  })
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['nonsense', 'unknown'],
  [undefined, 'unknown'],
])('the network of %s is %s', (address, network) => expect(networkOf(address)).toBe(network))
