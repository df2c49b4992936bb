import type { MethodImpl } from '@bitka/mesh'
import type { LedgerPostingService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { checkCount, readHoldId, readPurpose, refusedApart, toItemError } from './items.ts'

/** Sets free what orders held that never reached the log. Repeating it releases nothing more. */
export const release =
  ({ poster }: LedgerContext): MethodImpl<typeof LedgerPostingService.method.release> =>
  async ({ items }) => {
    checkCount(items.length)
    const results = await Promise.all(
      items.map(({ holdId, purpose }) =>
        refusedApart(async () => {
          const op = { type: 'release', holdId: readHoldId(holdId), purpose: readPurpose(purpose) } as const
          const result = await poster.post({ op })
          if (!result.ok) return { error: toItemError(result.refusal) }
          return { released: (result.answer.released ?? 0n).toString() }
        }),
      ),
    )
    return { results }
  }
