import { DomainError, invalidField, isUuid, parsePositiveMinor } from '@bitka/kernel'
import { type CallContext, type MethodImpl, userOf } from '@bitka/mesh'
import {
  type CreateTransactionRequest,
  CreateTransactionRequestSchema,
  type LedgerService,
  TransactionStatus,
  TransactionType,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import type { AdjustOp, TransferOp } from '../domain/items.ts'
import type { Note } from '../domain/model.ts'
import { treasury } from '../policy.ts'
import { type AccountView, findAccount } from '../store/account-views.ts'
import { hasRole, noSuchAccount } from './access.ts'
import { auditOf, firstAnswer, postingIdOf, rememberingRefusals } from './posting.ts'
import { answerKey, readDescription, readMetadata } from './request.ts'

type Kind = 'transfer' | 'credit' | 'debit'

const messages: Record<Kind, string> = {
  transfer: 'The transfer was posted.',
  credit: 'The credit was posted.',
  debit: 'The debit was posted.',
}

/** A user's transfer to another, or treasury's credit or debit. The first answer of an idempotency key is its answer for good. */
export const createTransaction =
  (app: LedgerContext): MethodImpl<typeof LedgerService.method.createTransaction> =>
  async (req, ctx) => {
    const kind = readKind(req)
    const note: Note = {
      author: userOf(ctx).userId,
      description: readDescription(req.description),
      metadata: readMetadata(req.metadata),
    }
    if (req.accountId === '') throw invalidField('account_id', 'must name an account')
    if (kind !== 'transfer' && !hasRole(ctx, treasury)) {
      throw new DomainError('forbidden', 'Only treasury may credit or debit accounts.')
    }
    const key = answerKey(ctx, CreateTransactionRequestSchema, req)
    const first = await firstAnswer(app, key)
    if (first !== undefined) return posted(first, kind)
    const op = await rememberingRefusals(app.poster, key, () => prepare(app, ctx, req, kind, note))
    const audit = auditOf(ctx, kind === 'transfer' ? 'ledger.transfer' : `admin.ledger.${kind}`, {
      target: { type: 'account', id: op.accountId },
      details: { asset: op.asset, amount: req.amount },
    })
    return posted(postingIdOf(await app.poster.post({ op, key, audit })), kind)
  }

const posted = (transactionId: string, kind: Kind) => ({
  transactionId,
  status: TransactionStatus.POSTED,
  message: messages[kind],
})

function readKind(req: CreateTransactionRequest): Kind {
  const hasDestination = req.destinationAccountUsername !== undefined
  switch (req.type) {
    case TransactionType.TRANSFER:
      if (!req.destinationAccountUsername) throw invalidField('destination_account_username', 'must name who receives')
      return 'transfer'
    case TransactionType.CREDIT:
    case TransactionType.DEBIT:
      if (hasDestination) throw invalidField('destination_account_username', 'is for transfers only')
      return req.type === TransactionType.CREDIT ? 'credit' : 'debit'
    default:
      throw invalidField('type', 'must be transfer, credit or debit')
  }
}

async function prepare(
  app: LedgerContext,
  ctx: CallContext,
  req: CreateTransactionRequest,
  kind: Kind,
  note: Note,
): Promise<TransferOp | AdjustOp> {
  const account = isUuid(req.accountId) ? await findAccount(app.db, req.accountId) : undefined
  if (!account || (kind === 'transfer' && account.userId !== note.author)) throw noSuchAccount()
  const { asset, decimals } = account
  if (req.asset !== asset) throw invalidField('asset', 'is not the asset of the account')
  const amount = parsePositiveMinor(req.amount, decimals)
  if (kind !== 'transfer') {
    return { type: 'adjust', direction: kind, accountId: account.id, asset, amount, decimals, note }
  }
  const toUserId = await recipient(app, ctx, req.destinationAccountUsername ?? '', account)
  return { type: 'transfer', accountId: account.id, asset, toUserId, amount, note }
}

async function recipient(app: LedgerContext, ctx: CallContext, username: string, from: AccountView): Promise<string> {
  const userId = await app.findRecipient(username, ctx)
  if (userId === undefined) throw invalidField('destination_account_username', 'names nobody who can receive')
  if (userId === from.userId) throw invalidField('destination_account_username', 'must be somebody else')
  return userId
}
