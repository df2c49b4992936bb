import type { ServiceContext } from '@bitka/service'
import type { LedgerClient } from './clients/ledger.ts'
import type { Gate } from './commands/gate.ts'
import type { OrderConfig } from './config.ts'
import type { Hub } from './hub.ts'

/** What order's commands and RPCs are built from. */
export type OrderContext = Pick<
  ServiceContext<OrderConfig>,
  'config' | 'db' | 'eventLog' | 'clock' | 'log' | 'tracing' | 'audit' | 'signal'
> & {
  ledger: LedgerClient
  hub: Hub
  gate: Gate
  /** An order ended before it had a command: have its hold released now rather than at the next round. */
  wakeSweeper: () => void
}
