import { isUuid } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import {
  type LedgerService,
  ReverseTransactionRequestSchema,
  TransactionStatus,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { noSuchTransaction } from './access.ts'
import { auditOf, firstAnswer, postingIdOf, rememberingRefusals } from './posting.ts'
import { answerKey, readDescription } from './request.ts'

const posted = (transactionId: string) => ({
  transactionId,
  status: TransactionStatus.POSTED,
  message: 'The transaction was reversed.',
})

/** Undoes a transaction by a new one. Nothing that was posted is changed. */
export const reverseTransaction =
  (app: LedgerContext): MethodImpl<typeof LedgerService.method.reverseTransaction> =>
  async (req, ctx) => {
    const note = { author: userOf(ctx).userId, description: readDescription(req.reason, 'reason') }
    const key = answerKey(ctx, ReverseTransactionRequestSchema, req)
    const first = await firstAnswer(app, key)
    if (first !== undefined) return posted(first)
    const postingId = await rememberingRefusals(app.poster, key, async () => {
      if (!isUuid(req.transactionId)) throw noSuchTransaction()
      return req.transactionId.toLowerCase()
    })
    const audit = auditOf(ctx, 'admin.ledger.reverse', { target: { type: 'transaction', id: postingId }, details: {} })
    return posted(postingIdOf(await app.poster.post({ op: { type: 'reverse', postingId, note }, key, audit })))
  }
