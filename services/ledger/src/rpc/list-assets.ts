import type { MethodImpl } from '@bitka/mesh'
import type { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { allAssets } from '../store/assets.ts'
import { toAsset } from './encode.ts'

/** All assets by symbol, or the active ones. */
export const listAssets =
  ({ db }: LedgerContext): MethodImpl<typeof LedgerService.method.listAssets> =>
  async ({ activeOnly }) => {
    const assets = await allAssets(db)
    return { assets: assets.filter(({ isActive }) => isActive || !activeOnly).map(toAsset) }
  }
