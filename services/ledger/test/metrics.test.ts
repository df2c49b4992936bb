import { silentLogger, systemClock } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { Registry } from 'prom-client'
import { ledgerMetrics } from '../src/metrics.ts'
import type { SettlementStatus } from '../src/settlement-status.ts'
import { Harness } from './harness.ts'

let harness: Harness
beforeAll(async () => {
  harness = await Harness.open()
})
afterAll(() => harness?.close())

/** What a fresh check of all balances shows. */
async function checked(): Promise<string> {
  const registry = new Registry()
  const settlement = {
    partitions: () => [{ partition: 3, lagMs: 1_500, stopped: false }],
  } as unknown as SettlementStatus
  const loop = ledgerMetrics({ db: harness.db, clock: systemClock, log: silentLogger, registry, settlement })
  try {
    await waitFor(async () => /^bitka_ledger_checked_timestamp_seconds [1-9]/m.test(await registry.metrics()))
    return await registry.metrics()
  } finally {
    await loop.stop()
  }
}

it('shows settlement lag in seconds, and books that sum to zero', async () => {
  await harness.credit(await harness.person('somebody'), 'THB', '12.34')
  const shown = await checked()
  expect(shown).toMatch(/^bitka_ledger_settlement_lag_seconds\{partition="3"\} 1\.5$/m)
  expect(shown).toMatch(/^bitka_ledger_unbalanced_assets 0$/m)
})

it('counts an asset whose accounts do not sum to zero', async () => {
  await harness.db.query(`update accounts set available = available + 1 where asset = 'THB' and owner_kind = 'user'`)
  expect(await checked()).toMatch(/^bitka_ledger_unbalanced_assets 1$/m)
})
