import { type CallContext, type MethodImpl, userOf } from '@bitka/mesh'
import type { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { pagination, parsePage } from '@bitka/store'
import type { LedgerContext } from '../context.ts'
import { countAccounts, missingAccounts, openAccounts, pageOfAccounts } from '../store/account-views.ts'
import { listOwner } from './access.ts'
import { toAccount } from './encode.ts'

/**
 * A user's accounts. Opens the missing ones of all active assets first, so that everybody has an account id that money can
 * be sent to.
 */
export const listAccounts =
  (app: LedgerContext): MethodImpl<typeof LedgerService.method.listAccounts> =>
  async (req, ctx) => {
    const { db } = app
    const page = parsePage(req)
    const userId = listOwner(ctx, req.userId)
    if (userId === undefined) return { items: [], pagination: encodePagination(pagination(page, 0)) }
    await openMissing(app, ctx, userId)
    const accounts = await pageOfAccounts(db, userId, req.asset, page)
    const total = await countAccounts(db, userId, req.asset)
    return { items: accounts.map(toAccount), pagination: encodePagination(pagination(page, total)) }
  }

async function openMissing({ db, clock, isUser }: LedgerContext, ctx: CallContext, userId: string): Promise<void> {
  const missing = await missingAccounts(db, userId)
  if (missing.length === 0) return
  // An operator may name anybody, also an id that nobody has.
  if (userId !== userOf(ctx).userId && !(await isUser(userId, ctx))) return
  await db.transaction((tx) => openAccounts(tx, userId, missing, clock.now()))
}

const encodePagination = ({ total, ...rest }: ReturnType<typeof pagination>) => ({ ...rest, total: BigInt(total) })
