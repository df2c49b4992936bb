import { assert, DomainError, Problems } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import {
  type CreateAssetRequest,
  CreateAssetRequestSchema,
  type CreateAssetResponse,
  CreateAssetResponseSchema,
  type LedgerService,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { type Codec, idempotent } from '@bitka/store'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { LedgerContext } from '../context.ts'
import { system, systemNames } from '../domain/model.ts'
import { insertAccounts } from '../store/accounts.ts'
import { type AssetRecord, insertAsset } from '../store/assets.ts'
import { readDecimals, readIconUrl, readName, readSymbol, readType } from './asset-fields.ts'
import { toAsset } from './encode.ts'
import { answerKey } from './request.ts'

const codec: Codec<CreateAssetResponse> = {
  encode: (answer) => toBinary(CreateAssetResponseSchema, answer),
  decode: (bytes) => fromBinary(CreateAssetResponseSchema, bytes),
}

/** A new asset, and with it the exchange's own accounts in it. */
export const createAsset =
  ({ db, clock, audit }: LedgerContext): MethodImpl<typeof LedgerService.method.createAsset> =>
  async (req, ctx) => {
    const now = clock.now()
    const asset = readAsset(req, now)
    const key = answerKey(ctx, CreateAssetRequestSchema, req)
    return db.transaction(async (tx) => {
      const run = async (): Promise<CreateAssetResponse> => {
        if (!(await insertAsset(tx, asset)))
          throw new DomainError('conflict', 'There is an asset with this symbol already.')
        await insertAccounts(
          tx,
          systemNames.map((name) => ({ owner: system(name), asset: asset.symbol })),
          now,
        )
        const target = { type: 'asset', id: asset.symbol }
        await audit(tx, { action: 'admin.asset.create', outcome: 'succeeded', target, ctx })
        return create(CreateAssetResponseSchema, { asset: toAsset(asset) })
      }
      if (key === undefined) return run()
      return idempotent(tx, { ...key, ttlMs: null, now }, run, codec)
    })
  }

/** @throws DomainError invalid, naming every field at fault */
function readAsset(req: CreateAssetRequest, createdAt: Date): AssetRecord {
  const problems = new Problems()
  const symbol = problems.read(() => readSymbol(req.symbol))
  const name = problems.read(() => readName(req.name))
  const type = problems.read(() => readType(req.type))
  const decimals = problems.read(() => readDecimals(req.decimals))
  const iconUrl = problems.read(() => readIconUrl(req.iconUrl))
  problems.throwIfAny()
  assert(symbol && name && type && decimals !== undefined, 'an asset without problems is whole')
  return { symbol, name, type, decimals, iconUrl, isActive: req.isActive ?? true, createdAt }
}
