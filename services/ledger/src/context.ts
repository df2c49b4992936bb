import type { ServiceContext } from '@bitka/service'
import type { BalanceHub } from './balances.ts'
import type { FindRecipient, IsUser } from './clients/directory.ts'
import type { Poster } from './poster.ts'
import type { SettlementStatus } from './settlement-status.ts'

/** What the ledger's RPCs are built from. */
export type LedgerContext = Pick<ServiceContext, 'db' | 'clock' | 'log' | 'audit' | 'signal'> & {
  poster: Poster
  balances: BalanceHub
  settlement: SettlementStatus
  findRecipient: FindRecipient
  isUser: IsUser
  /** How long a hold waits for settlement to reach what its user was shown. */
  holdWaitMs: number
}
