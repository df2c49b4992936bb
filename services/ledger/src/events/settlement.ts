import type { ConsumerOptions } from '@bitka/events'
import { type Clock, crashPoint } from '@bitka/kernel'
import { type Tracing, withSpans } from '@bitka/telemetry'
import type { BalanceHub } from '../balances.ts'
import { announce } from '../poster.ts'
import type { SettlementStatus } from '../settlement-status.ts'
import { postBatch } from '../store/post-batch.ts'
import { toSettleOp } from './results.ts'

export const SETTLEMENT_GROUP = 'ledger.settlement'
export const RESULTS_TOPIC = 'trading.matches.executed'

/**
 * Settles what matching decided: many commands in one commit, each result once. What cannot be applied stops its
 * partition, since everything after it builds on it.
 */
export const settlementConsumer = (options: {
  clock: Clock
  balances: BalanceHub
  settlement: SettlementStatus
  tracing: Tracing
}): Pick<ConsumerOptions, 'group' | 'topics' | 'ordered' | 'handle'> => ({
  group: SETTLEMENT_GROUP,
  topics: [RESULTS_TOPIC],
  ordered: true,
  async handle(tx, records) {
    const items = records.map(({ value, partition }) => ({ op: toSettleOp(value, partition) }))
    const traces = records.map(({ headers }) => headers.traceparent)
    await withSpans(options.tracing, 'settle', traces, async () => {
      const posted = await postBatch(tx, items, options.clock)
      await announce(tx, posted, options)
    })
    tx.afterCommit(() => {
      crashPoint('ledger.settlement.committed', 'ledger')
      options.settlement.settled()
    })
  },
})
