import type { ServiceImpl } from '@bitka/mesh'
import type { LedgerPostingService, LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { batchGetAssets } from './batch-get-assets.ts'
import { createAsset } from './create-asset.ts'
import { createTransaction } from './create-transaction.ts'
import { getAccount } from './get-account.ts'
import { getAsset } from './get-asset.ts'
import { getSettlementStatus } from './get-settlement-status.ts'
import { getTransaction } from './get-transaction.ts'
import { hold } from './hold.ts'
import { listAccounts } from './list-accounts.ts'
import { listAssets } from './list-assets.ts'
import { listTransactions } from './list-transactions.ts'
import { release } from './release.ts'
import { reverseTransaction } from './reverse-transaction.ts'
import { streamBalances } from './stream-balances.ts'
import { updateAsset } from './update-asset.ts'

/** What users and operators do with the ledger; one file each. */
export const ledgerRpcs = (ctx: LedgerContext): ServiceImpl<typeof LedgerService> => ({
  listAccounts: listAccounts(ctx),
  getAccount: getAccount(ctx),
  listTransactions: listTransactions(ctx),
  getTransaction: getTransaction(ctx),
  createTransaction: createTransaction(ctx),
  listAssets: listAssets(ctx),
  getAsset: getAsset(ctx),
  createAsset: createAsset(ctx),
  updateAsset: updateAsset(ctx),
  reverseTransaction: reverseTransaction(ctx),
  streamBalances: streamBalances(ctx),
})

/** What other services do with the ledger; one file each. */
export const postingRpcs = (ctx: LedgerContext): ServiceImpl<typeof LedgerPostingService> => ({
  hold: hold(ctx),
  release: release(ctx),
  batchGetAssets: batchGetAssets(ctx),
  getSettlementStatus: getSettlementStatus(ctx),
})
