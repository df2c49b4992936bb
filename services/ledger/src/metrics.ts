import type { Clock, Logger } from '@bitka/kernel'
import { Loop } from '@bitka/kernel'
import type { Db } from '@bitka/store'
import { Gauge, type Registry } from 'prom-client'
import type { SettlementStatus } from './settlement-status.ts'
import { unbalancedAssets } from './store/accounts.ts'

/** The database proves each transaction's sum; this proves once more that nothing but transactions has moved a balance. */
const CHECK_MS = 60_000

type Options = { db: Db; clock: Clock; log: Logger; registry: Registry; settlement: SettlementStatus }

/** The ledger's own metrics, and the loop that adds up all balances for them. */
export function ledgerMetrics({ db, clock, log, registry, settlement }: Options): Loop {
  const registers = [registry]
  new Gauge({
    name: 'bitka_ledger_settlement_lag_seconds',
    help: 'Age of the oldest result of the matching engine that is not settled.',
    labelNames: ['partition'],
    registers,
    collect() {
      this.reset()
      for (const { partition, lagMs } of settlement.partitions()) this.set({ partition }, lagMs / 1000)
    },
  })
  const unbalanced = new Gauge({
    name: 'bitka_ledger_unbalanced_assets',
    help: 'Assets whose accounts do not sum to zero. Anything but 0 means that money was made or lost.',
    registers,
  })
  const checked = new Gauge({
    name: 'bitka_ledger_checked_timestamp_seconds',
    help: 'When all balances were last added up.',
    registers,
  })
  return new Loop({ name: 'ledger.check', intervalMs: CHECK_MS, log }, async () => {
    const assets = await unbalancedAssets(db)
    unbalanced.set(assets.length)
    checked.set(clock.nowMs() / 1000)
    if (assets.length > 0) log.fatal({ assets }, 'the accounts of an asset do not sum to zero')
  })
}
