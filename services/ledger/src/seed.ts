import { readFile } from 'node:fs/promises'
import type { Clock } from '@bitka/kernel'
import type { Audit } from '@bitka/service'
import type { Db } from '@bitka/store'
import { z } from 'zod'
import { system, systemNames } from './domain/model.ts'
import { insertAccounts } from './store/accounts.ts'
import { allAssets, insertAsset } from './store/assets.ts'

const seedShape = z.object({
  assets: z.array(
    z.object({
      symbol: z.string().regex(/^[A-Z0-9]{2,10}$/),
      name: z.string().min(1).max(64),
      type: z.enum(['CRYPTO', 'FIAT']),
      decimals: z.number().int().min(0).max(18),
    }),
  ),
})

/** Adds the first assets from a file, when there is none yet. All of them or, after a crash, none. */
export async function seedAssets(
  { db, clock, audit }: { db: Db; clock: Clock; audit: Audit },
  file: string,
): Promise<void> {
  const { assets } = seedShape.parse(JSON.parse(await readFile(file, 'utf8')))
  await db.transaction(async (tx) => {
    if ((await allAssets(tx)).length > 0) return
    const createdAt = clock.now()
    for (const asset of assets) {
      // Another process of the ledger may be at the same work; the first one's are as good.
      if (!(await insertAsset(tx, { ...asset, isActive: true, createdAt }))) continue
      const owners = systemNames.map((name) => ({ owner: system(name), asset: asset.symbol }))
      await insertAccounts(tx, owners, createdAt)
      await audit(tx, { action: 'asset.seed', outcome: 'succeeded', target: { type: 'asset', id: asset.symbol } })
    }
  })
}
