import type { MethodImpl } from '@bitka/mesh'
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
  ({ db, clock }: LedgerContext): MethodImpl<typeof LedgerService.method.listAccounts> =>
  async (req, ctx) => {
    const page = parsePage(req)
    const userId = listOwner(ctx, req.userId)
    const missing = await missingAccounts(db, userId)
    if (missing.length > 0) await db.transaction((tx) => openAccounts(tx, userId, missing, clock.now()))
    const accounts = await pageOfAccounts(db, userId, req.asset, page)
    const total = await countAccounts(db, userId, req.asset)
    return { items: accounts.map(toAccount), pagination: encodePagination(pagination(page, total)) }
  }

const encodePagination = ({ total, ...rest }: ReturnType<typeof pagination>) => ({ ...rest, total: BigInt(total) })
