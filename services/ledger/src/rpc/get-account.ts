import { isUuid } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { findAccount } from '../store/account-views.ts'
import { maySee, noSuchAccount } from './access.ts'
import { toAccount } from './encode.ts'

/** One account. Somebody else's, none and a malformed id are the same answer. */
export const getAccount =
  ({ db }: LedgerContext): MethodImpl<typeof LedgerService.method.getAccount> =>
  async ({ accountId }, ctx) => {
    const account = isUuid(accountId) ? await findAccount(db, accountId) : undefined
    if (!account || !maySee(ctx, account.userId)) throw noSuchAccount()
    return { account: toAccount(account) }
  }
