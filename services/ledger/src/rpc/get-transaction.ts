import { isUuid } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { findPosting } from '../store/posting-views.ts'
import { maySee, noSuchTransaction } from './access.ts'
import { toTransaction } from './encode.ts'

/** One side of a transaction. Somebody else's, none and a malformed id are the same answer. */
export const getTransaction =
  ({ db }: LedgerContext): MethodImpl<typeof LedgerService.method.getTransaction> =>
  async ({ transactionId }, ctx) => {
    const posting = isUuid(transactionId) ? await findPosting(db, transactionId) : undefined
    if (!posting || !maySee(ctx, posting.userId)) throw noSuchTransaction()
    return { transaction: toTransaction(posting) }
  }
