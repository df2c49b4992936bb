import { readFile } from 'node:fs/promises'
import { Loop } from '@bitka/kernel'
import type { Dependency } from '@bitka/service'
import { z } from 'zod'
import { readAssets } from './clients/ledger.ts'
import { commandPartitions, createMarket } from './commands/markets.ts'
import type { OrderContext } from './context.ts'
import { definitionDefaults } from './domain/define.ts'
import * as markets from './store/markets.ts'

const seedShape = z.object({
  markets: z.array(
    z.object({
      symbol: z.string(),
      base_asset: z.string(),
      quote_asset: z.string(),
      tick_size: z.string(),
      lot_size: z.string(),
      min_quantity: z.string(),
      max_quantity: z.string(),
      min_notional: z.string(),
      price_band_bps: z.number().int(),
      maker_fee_bps: z.number().int(),
      taker_fee_bps: z.number().int(),
    }),
  ),
})
type Seed = z.infer<typeof seedShape>['markets'][number]

const RETRY_MS = 250

export type Seeding = { loop: Loop; dependency(): Dependency }

/** Creates the first markets from a file, when there is none yet and as soon as the ledger answers for their assets. */
export function seedMarkets(ctx: OrderContext, file: string): Seeding {
  let done = false
  const loop: Loop = new Loop({ name: 'order.seed', intervalMs: RETRY_MS, log: ctx.log }, async () => {
    if (done) return
    await createMissing(ctx, seedShape.parse(JSON.parse(await readFile(file, 'utf8'))).markets)
    done = true
  })
  return {
    loop,
    dependency: () => ({ name: 'first markets', ok: done, detail: done ? '' : 'they are not created yet' }),
  }
}

async function createMissing(ctx: OrderContext, seeds: readonly Seed[]): Promise<void> {
  if ((await markets.all(ctx.db)).length > 0) return
  const assets = await readAssets(
    ctx.ledger,
    [...new Set(seeds.flatMap((seed) => [seed.base_asset, seed.quote_asset]))],
    {},
  )
  const partitions = await commandPartitions(ctx)
  await ctx.db.transaction(async (tx) => {
    if ((await markets.countLocked(tx)) > 0) return
    for (const seed of seeds) {
      await createMarket(ctx, tx, { definition: definitionOf(ctx, seed), assets, partitions, call: undefined })
    }
  })
}

const definitionOf = (ctx: OrderContext, seed: Seed) => ({
  symbol: seed.symbol,
  baseAsset: seed.base_asset,
  quoteAsset: seed.quote_asset,
  tickSize: seed.tick_size,
  lotSize: seed.lot_size,
  minQuantity: seed.min_quantity,
  maxQuantity: seed.max_quantity,
  minNotional: seed.min_notional,
  priceBandBps: seed.price_band_bps,
  makerFeeBps: seed.maker_fee_bps,
  takerFeeBps: seed.taker_fee_bps,
  wantedStatus: definitionDefaults.wantedStatus,
  maxOpenOrders: ctx.config.BITKA_ORDER_OPEN_MAX,
})
