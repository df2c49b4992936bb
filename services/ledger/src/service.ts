import { implement } from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { LedgerPostingService, LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { type Dependency, defineService } from '@bitka/service'
import { openHints } from '@bitka/store'
import { BalanceHub } from './balances.ts'
import { findRecipient, isUser } from './clients/directory.ts'
import { ledgerSchema } from './config.ts'
import type { LedgerContext } from './context.ts'
import { RESULTS_TOPIC, SETTLEMENT_GROUP, settlementConsumer } from './events/settlement.ts'
import { ledgerMetrics } from './metrics.ts'
import { ledgerPolicy, postingPolicy } from './policy.ts'
import { Poster } from './poster.ts'
import { ledgerRpcs, postingRpcs } from './rpc/index.ts'
import { seedAssets } from './seed.ts'
import { SettlementStatus } from './settlement-status.ts'

/** Assets, accounts, holds and transactions: the exchange's books. */
export const startLedger = defineService({
  name: 'ledger',
  schema: ledgerSchema,
  build: async (service) => {
    const { config, db, clock, log, audit, eventLog, signal, metrics, tracing } = service
    if (config.BITKA_SEED_FILE !== undefined) await seedAssets({ db, clock, audit }, config.BITKA_SEED_FILE)
    const balances = new BalanceHub((userIds) => hints.send(userIds))
    const hints = openHints({ db, log, onHints: (userIds) => balances.heard(userIds) })
    const poster = new Poster({
      db,
      clock,
      log,
      audit,
      balances,
      gather: {
        windowMs: config.BITKA_LEDGER_GATHER_MS,
        maxItems: config.BITKA_LEDGER_BATCH_MAX,
        maxQueue: config.BITKA_LEDGER_QUEUE_MAX,
      },
    })
    const settlement = new SettlementStatus({ db, eventLog, clock, log, group: SETTLEMENT_GROUP, topic: RESULTS_TOPIC })
    const directory = service.client(DirectoryService, 'auth', { idempotent: ['resolveUsername', 'getUsers'] })
    const context: LedgerContext = {
      db,
      clock,
      log,
      audit,
      signal,
      poster,
      balances,
      settlement,
      findRecipient: findRecipient(directory),
      isUser: isUser(directory),
      holdWaitMs: config.BITKA_LEDGER_HOLD_WAIT_MS,
    }
    return {
      rpcs: [
        implement(LedgerService, ledgerRpcs(context), ledgerPolicy),
        implement(LedgerPostingService, postingRpcs(context), postingPolicy),
      ],
      consumers: [settlementConsumer({ clock, balances, settlement, tracing })],
      loops: [hints, settlement, ledgerMetrics({ db, clock, log, registry: metrics, settlement })],
      dependencies: async () => [settlementLag(settlement)],
      onStop: () => poster.drain(),
    }
  },
})

/** Shown to operators; a ledger that is behind still answers everything else, so it stays ready. */
function settlementLag(settlement: SettlementStatus): Dependency {
  const behind = settlement.partitions().filter(({ lagMs }) => lagMs > 0)
  const detail = behind.map(({ partition, lagMs }) => `partition ${partition} is ${lagMs} ms behind`).join('; ')
  return { name: 'settlement', ok: true, detail }
}
