import { silentLogger } from '@bitka/kernel'
import { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { startLedger } from '../src/service.ts'
import { Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await Harness.open()
})
afterAll(() => h?.close())

it('shows in a stream of one process what another has posted, long before it looks by itself', async () => {
  const alice = await h.person('alice')
  await h.credit(alice, 'THB', '100')
  const second = await startLedger(h.env(), { log: silentLogger })
  const abort = new AbortController()
  try {
    const other = await h.platform.client(LedgerService, 'gateway', { service: 'ledger', port: second.port })
    const stream = other.streamBalances({}, { ...alice.as, signal: abort.signal })[Symbol.asyncIterator]()
    const next = async () => {
      const { value } = await stream.next()
      return value?.items
        .filter(({ asset }: { asset: string }) => asset === 'THB')
        .map(({ available }: { available: string }) => available)
    }
    expect(await next()).toEqual(['100'])
    const startedMs = performance.now()
    for (const total of ['101', '102', '103', '104', '105']) {
      await h.credit(alice, 'THB', '1')
      expect(await next()).toEqual([total])
    }
    // By itself it looks every ten seconds: five changes would take longer than forty.
    expect(performance.now() - startedMs).toBeLessThan(30_000)
    abort.abort()
    await stream.next().catch(() => undefined)
  } finally {
    abort.abort()
    await second.stop()
  }
})
