import { DomainError, Problems } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { LedgerService, UpdateAssetRequest } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'
import { hasPostings, lockAsset, updateAsset as storeAsset } from '../store/assets.ts'
import { noSuchAsset } from './access.ts'
import { readDecimals, readIconUrl, readName, readType } from './asset-fields.ts'
import { toAsset } from './encode.ts'

/** Changes what is given of an asset. Its decimals say what every stored amount means, so they stay once there is one. */
export const updateAsset =
  ({ db, audit }: LedgerContext): MethodImpl<typeof LedgerService.method.updateAsset> =>
  async (req, ctx) => {
    const changes = readChanges(req)
    const asset = await db.transaction(async (tx) => {
      const before = await lockAsset(tx, req.symbol)
      if (!before) throw noSuchAsset()
      const after = { ...before, ...changes }
      if (after.decimals !== before.decimals && (await hasPostings(tx, before.symbol))) {
        throw new DomainError('conflict', 'The decimals of an asset never change once it has been used.')
      }
      await storeAsset(tx, after)
      const details = { changed: Object.keys(changes).join(' ') }
      const target = { type: 'asset', id: after.symbol }
      await audit(tx, { action: 'admin.asset.update', outcome: 'succeeded', target, ctx, details })
      return after
    })
    return { asset: toAsset(asset) }
  }

/** What the request names. @throws DomainError invalid, naming every field at fault */
function readChanges(req: UpdateAssetRequest) {
  const { name, type, decimals, iconUrl, isActive } = req
  const problems = new Problems()
  const changes = {
    ...(name !== undefined && { name: problems.read(() => readName(name)) }),
    ...(type !== undefined && { type: problems.read(() => readType(type)) }),
    ...(decimals !== undefined && { decimals: problems.read(() => readDecimals(decimals)) }),
    ...(iconUrl !== undefined && { iconUrl: problems.read(() => readIconUrl(iconUrl)) }),
    ...(isActive !== undefined && { isActive }),
  }
  problems.throwIfAny()
  return changes
}
