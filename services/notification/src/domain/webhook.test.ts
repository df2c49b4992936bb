import { createHmac } from 'node:crypto'
import { isFresh, isSignatureGood, readReport } from './webhook.ts'

const sign = (key: string, timestamp: string, token: string) =>
  createHmac('sha256', key)
    .update(timestamp + token)
    .digest('hex')

test('a signature is good under the current and the previous key, and under no other', () => {
  const sent = { timestamp: '1760000000', token: 'a'.repeat(50) }
  const good = { ...sent, signature: sign('new', sent.timestamp, sent.token) }
  const old = { ...sent, signature: sign('old', sent.timestamp, sent.token) }
  expect(isSignatureGood(good, ['new', 'old'])).toBe(true)
  expect(isSignatureGood(old, ['new', 'old'])).toBe(true)
  expect(isSignatureGood(old, ['new'])).toBe(false)
  expect(isSignatureGood({ ...good, token: `${sent.token}x` }, ['new'])).toBe(false)
  expect(isSignatureGood({ ...good, timestamp: '1760000001' }, ['new'])).toBe(false)
  expect(isSignatureGood({ ...good, signature: '' }, ['new'])).toBe(false)
})

test.each<[string, number, boolean]>([
  ['1760000000', 1_760_000_000_000, true],
  ['1760000000', 1_760_000_299_000, true],
  ['1760000000', 1_760_000_301_000, false],
  ['1760000301', 1_760_000_000_000, false],
  ['', 0, false],
  ['1e9', 1_000_000_000_000, false],
])('a report of %p is fresh at %i: %p', (timestamp, nowMs, fresh) => {
  expect(isFresh(timestamp, nowMs)).toBe(fresh)
})

test.each<[unknown, unknown]>([
  [
    { event: 'delivered', 'user-variables': { delivery_id: 'd1' } },
    { deliveryId: 'd1', status: 'delivered' },
  ],
  [
    { event: 'failed', severity: 'permanent', reason: 'bounce' },
    { status: 'failed', failure: 'bounce' },
  ],
  [{ event: 'failed', severity: 'temporary' }, undefined],
  [{ event: 'opened' }, undefined],
  [
    { event: 'complained', message: { headers: { 'message-id': 'm1' } } },
    { messageId: 'm1', status: 'complained' },
  ],
  ['nonsense', undefined],
])('reads %j', (data, report) => {
  expect(readReport(data)).toEqual(report)
})
