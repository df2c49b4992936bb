import type { Role, ServicePolicy } from '@bitka/mesh'
import type { LedgerPostingService, LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'

/** Who decides about assets. */
const operators: readonly Role[] = ['operator', 'admin']
/** Who may look at other people's accounts. */
export const readers: readonly Role[] = ['operator', 'admin', 'treasury', 'auditor']
/** Who may move the exchange's own money. */
export const treasury: readonly Role[] = ['treasury', 'admin']

/** Who may call what of LedgerService. Whose account it is decides each RPC; so does CreateTransaction for credits and debits. */
export const ledgerPolicy: ServicePolicy<typeof LedgerService> = {
  listAccounts: { kind: 'user' },
  getAccount: { kind: 'user' },
  listTransactions: { kind: 'user' },
  getTransaction: { kind: 'user' },
  createTransaction: { kind: 'user' },
  listAssets: { kind: 'anonymous' },
  getAsset: { kind: 'anonymous' },
  createAsset: { kind: 'user', roles: operators },
  updateAsset: { kind: 'user', roles: operators },
  reverseTransaction: { kind: 'user', roles: treasury },
  streamBalances: { kind: 'user' },
}

/** Who may call what of LedgerPostingService. */
export const postingPolicy: ServicePolicy<typeof LedgerPostingService> = {
  hold: { kind: 'internal', callers: ['order'] },
  release: { kind: 'internal', callers: ['order'] },
  batchGetAssets: { kind: 'internal', callers: ['order'] },
  getSettlementStatus: { kind: 'internal', callers: ['order'] },
}
