import { DomainError } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { HoldItem, LedgerPostingService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import type { ItemResult } from '../domain/batch.ts'
import type { HoldOp } from '../domain/items.ts'
import type { Refusal } from '../domain/model.ts'
import { checkCount, readHold, toItemError } from './items.ts'

/** Sets funds aside before orders reach the log. Order repeats it after a timeout and gets the first answers again. */
export const hold =
  (app: LedgerContext): MethodImpl<typeof LedgerPostingService.method.hold> =>
  async ({ items }) => {
    checkCount(items.length)
    const refusals = await Promise.all(chainsOf(items).map((chain) => placeChain(app, chain)))
    return { results: refusals.flat().map((refusal) => (refusal ? { error: toItemError(refusal) } : {})) }
  }

/** Items by what succeeds or fails together: mostly each by itself. */
function chainsOf(items: readonly HoldItem[]): HoldItem[][] {
  const chains: HoldItem[][] = []
  let isLinked = false
  for (const item of items) {
    if (isLinked) chains.at(-1)?.push(item)
    else chains.push([item])
    isLinked = item.linked
  }
  return chains
}

async function placeChain(app: LedgerContext, chain: HoldItem[]): Promise<(Refusal | undefined)[]> {
  const ops: HoldOp[] = []
  try {
    for (const item of chain) ops.push(readHold(item))
  } catch (error) {
    if (!(error instanceof DomainError)) throw error
    const together: Refusal = { kind: 'invalid', message: 'An item that this one is linked with cannot be read.' }
    return chain.map((_, index) => (index === ops.length ? error : together))
  }
  const results = await placeAfterSettlement(app, ops)
  return results.map((result) => (result.ok ? undefined : result.refusal))
}

/** Says "insufficient" only after settlement has come as far as the user was shown; only who lacks funds waits for it. */
async function placeAfterSettlement(app: LedgerContext, ops: HoldOp[]): Promise<ItemResult[]> {
  const place = () => app.poster.postLinked(ops.map((op) => ({ op })))
  const results = await place()
  if (!results.some((result) => !result.ok && result.behind)) return results
  const shown = ops.flatMap((op) => op.shown)
  return (await app.settlement.reaches(shown, app.holdWaitMs)) ? place() : results
}
