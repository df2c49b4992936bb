import { Loop } from '@bitka/kernel'
import { LedgerPostingService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { ServiceContext } from '@bitka/service'
import { openHints, purgeIdempotency } from '@bitka/store'
import { Gate } from './commands/gate.ts'
import { watchSettlement } from './commands/settlement.ts'
import { sweep } from './commands/sweep.ts'
import type { OrderConfig } from './config.ts'
import type { OrderContext } from './context.ts'
import { Hub } from './hub.ts'
import { purgeEvents } from './store/outbox.ts'

const PURGE_MS = 60 * 60_000
/** Commands stay for good, as they do in the log: a log that was lost is made again of them. */
const SENT_KEPT_MS = 30 * 24 * 60 * 60_000

/** What everything is built from, and the work in the background. */
export function buildContext(service: ServiceContext<OrderConfig>): {
  ctx: OrderContext
  loops: { stop(): Promise<void> }[]
} {
  const { config, db, clock, log } = service
  const ledger = service.client(LedgerPostingService, 'ledger', {
    idempotent: ['hold', 'release', 'batchGetAssets', 'getSettlementStatus'],
  })
  const gate = new Gate((topic) => service.oldestUnsentAgeMs(topic))
  let sweeper: Loop | undefined
  const hub = new Hub((keys) => hints.send(keys))
  const hints = openHints({ db, log, onHints: (keys) => hub.heard(keys) })
  const ctx: OrderContext = { ...service, ledger, hub, gate, wakeSweeper: () => sweeper?.wake() }
  sweeper = new Loop({ name: 'order.sweeper', intervalMs: config.BITKA_ORDER_SWEEP_MS, log }, () => sweep(ctx))
  const settlement = new Loop(
    { name: 'order.settlement', intervalMs: config.BITKA_ORDER_SETTLEMENT_POLL_MS, log },
    () => watchSettlement(ctx),
  )
  const purge = new Loop({ name: 'order.purge', intervalMs: PURGE_MS, log }, async () => {
    const now = clock.now()
    const forgotten = await purgeIdempotency(db, { now })
    const unneeded = await purgeEvents(db, new Date(now.getTime() - SENT_KEPT_MS))
    return forgotten + unneeded >= 1_000
  })
  return { ctx, loops: [sweeper, settlement, purge, hints] }
}
