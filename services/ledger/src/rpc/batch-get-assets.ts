import type { MethodImpl } from '@bitka/mesh'
import type { LedgerPostingService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { allAssets, selectAssets } from '../store/assets.ts'
import { toAsset } from './encode.ts'

/** The assets of these symbols that exist, or all. */
export const batchGetAssets =
  ({ db }: LedgerContext): MethodImpl<typeof LedgerPostingService.method.batchGetAssets> =>
  async ({ symbols }) => {
    const assets = symbols.length === 0 ? await allAssets(db) : await selectAssets(db, symbols)
    return { assets: assets.map(toAsset) }
  }
