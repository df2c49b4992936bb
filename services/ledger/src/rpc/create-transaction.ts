import { assert, DECIMAL_EXPECTED, DomainError, isDecimal, isUuid, Problems, parsePositiveMinor } from '@bitka/kernel'
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

const kinds: ReadonlyMap<TransactionType, Kind> = new Map([
  [TransactionType.TRANSFER, 'transfer'],
  [TransactionType.CREDIT, 'credit'],
  [TransactionType.DEBIT, 'debit'],
])

const messages: Record<Kind, string> = {
  transfer: 'The transfer was posted.',
  credit: 'The credit was posted.',
  debit: 'The debit was posted.',
}

/** A user's transfer to another, or treasury's credit or debit. The first answer of an idempotency key is its answer for good. */
export const createTransaction =
  (app: LedgerContext): MethodImpl<typeof LedgerService.method.createTransaction> =>
  async (req, ctx) => {
    const { kind, note } = readRequest(req, ctx)
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

/**
 * Reads what can be read without the account.
 * @throws DomainError invalid, naming every field at fault; forbidden
 */
function readRequest(req: CreateTransactionRequest, ctx: CallContext): { kind: Kind; note: Note } {
  const problems = new Problems()
  const kind = kinds.get(req.type)
  if (kind !== undefined && kind !== 'transfer' && !hasRole(ctx, treasury)) {
    throw new DomainError('forbidden', 'Only treasury may credit or debit accounts.')
  }
  const { destinationAccountUsername: destination } = req
  if (kind === 'transfer') problems.check(!!destination, 'destination_account_username', 'must name who receives')
  else if (kind) problems.check(destination === undefined, 'destination_account_username', 'is for transfers only')
  problems.check(kind !== undefined, 'type', 'must be transfer, credit or debit')
  problems.check(req.accountId !== '', 'account_id', 'must name an account')
  problems.check(req.asset !== '', 'asset', 'must be the asset of the account')
  problems.check(isDecimal(req.amount), 'amount', DECIMAL_EXPECTED)
  const description = problems.read(() => readDescription(req.description))
  const metadata = problems.read(() => readMetadata(req.metadata))
  problems.throwIfAny()
  assert(kind, 'a request without problems has a kind')
  return { kind, note: { author: userOf(ctx).userId, description, metadata } }
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
  const problems = new Problems()
  problems.check(req.asset === asset, 'asset', 'is not the asset of the account')
  const amount = problems.read(() => parsePositiveMinor(req.amount, decimals)) ?? 0n
  if (kind !== 'transfer') {
    problems.throwIfAny()
    return { type: 'adjust', direction: kind, accountId: account.id, asset, amount, decimals, note }
  }
  const toUserId = await recipient(app, ctx, req.destinationAccountUsername ?? '', account, problems)
  return { type: 'transfer', accountId: account.id, asset, toUserId, amount, note }
}

/** @throws DomainError invalid, naming the recipient or what else was wrong */
async function recipient(
  app: LedgerContext,
  ctx: CallContext,
  username: string,
  from: AccountView,
  problems: Problems,
): Promise<string> {
  const userId = await app.findRecipient(username, ctx)
  problems.check(userId !== undefined, 'destination_account_username', 'names nobody who can receive')
  problems.check(userId !== from.userId, 'destination_account_username', 'must be somebody else')
  problems.throwIfAny()
  assert(userId, 'a transfer without problems has a recipient')
  return userId
}
