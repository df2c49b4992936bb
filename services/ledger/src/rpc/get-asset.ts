import type { MethodImpl } from '@bitka/mesh'
import type { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { findAsset } from '../store/assets.ts'
import { noSuchAsset } from './access.ts'
import { toAsset } from './encode.ts'

/** One asset, active or not. */
export const getAsset =
  ({ db }: LedgerContext): MethodImpl<typeof LedgerService.method.getAsset> =>
  async ({ symbol }) => {
    const asset = await findAsset(db, symbol)
    if (!asset) throw noSuchAsset()
    return { asset: toAsset(asset) }
  }
