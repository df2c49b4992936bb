import { appendOutbox } from '@bitka/events'
import { crashPoint, DomainError } from '@bitka/kernel'
import type { CallContext } from '@bitka/mesh'
import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import type { Tx } from '@bitka/store'
import type { OrderContext } from '../context.ts'
import { type AssetFacts, checkChange, checkDefinition, type Definition } from '../domain/define.ts'
import type { Market } from '../domain/market.ts'
import { COMMANDS, CommandWriter, defineMarket, setStatus } from '../events/commands.ts'
import { marketKey, waitUntil } from '../hub.ts'
import * as markets from '../store/markets.ts'

export const noSuchMarket = () => new DomainError('not_found', 'There is no such market.')

/** A market and the number of the command that the engine has to answer; 0 when there was nothing to ask. */
export type Commanded = { symbol: string; commandSeq: bigint }

/** Adds a market and has the engine define it; the caller commits. Partitions are handed out in turn. */
export async function createMarket(
  ctx: OrderContext,
  tx: Tx,
  request: {
    definition: Definition
    assets: readonly AssetFacts[]
    partitions: number
    /** None for the markets of the first start. */
    call: CallContext | undefined
  },
): Promise<Commanded> {
  const checked = checkDefinition(request.definition, request.assets)
  if (checked.wantedStatus === MarketStatus.DELISTED) {
    throw new DomainError('invalid', 'A new market cannot be delisted.', { status: 'must not be delisted' })
  }
  const partition = (await markets.countLocked(tx)) % request.partitions
  const market: Market = { ...checked, partition, createdAt: ctx.clock.now() }
  const slot = { symbol: market.symbol, partition, nextCommandSeq: 1n, lastCommandMs: 0 }
  const writer = new CommandWriter(new Map([[market.symbol, slot]]), ctx.clock.nowMs())
  const commandSeq = writer.write(market.symbol, defineMarket(market), { traceparent: request.call?.traceparent })
  await markets.insert(tx, market, slot)
  await appendOutbox(tx, writer.records)
  const action = request.call ? 'admin.market.create' : 'market.seed'
  await note(ctx, tx, action, market.symbol, request.call, { partition: String(partition) })
  return { symbol: market.symbol, commandSeq }
}

/** Changes a market's definition; the caller commits. `assets`: those of the new definition. */
export async function updateMarket(
  ctx: OrderContext,
  tx: Tx,
  request: { symbol: string; changes: Partial<Definition>; assets: readonly AssetFacts[]; call: CallContext },
): Promise<Commanded> {
  const found = await markets.lockWhole(tx, request.symbol)
  if (!found) throw noSuchMarket()
  const { market, slot, hadOrder } = found
  const wanted: Definition = { ...market, ...request.changes }
  checkChange(market, wanted, hadOrder)
  const checked = checkDefinition(wanted, knownAssets(market, request.assets))
  const next: Market = { ...market, ...checked }
  const now = ctx.clock.now()
  const writer = new CommandWriter(new Map([[market.symbol, slot]]), now.getTime())
  const commandSeq = writer.write(market.symbol, defineMarket(next), { traceparent: request.call.traceparent })
  await markets.update(tx, next, now)
  await markets.saveSlots(tx, writer.usedSlots(), false)
  await appendOutbox(tx, writer.records)
  await note(ctx, tx, 'admin.market.update', market.symbol, request.call, changesOf(market, next))
  return { symbol: market.symbol, commandSeq }
}

/** An asset that was taken out of use stays good for the markets that have it. */
const knownAssets = (market: Market, assets: readonly AssetFacts[]): AssetFacts[] =>
  assets.map((asset) =>
    asset.symbol === market.baseAsset || asset.symbol === market.quoteAsset ? { ...asset, isActive: true } : asset,
  )

function changesOf(before: Market, after: Market): Record<string, string> {
  const keys = Object.keys(after) as (keyof Market)[]
  return Object.fromEntries(
    keys.filter((key) => String(before[key]) !== String(after[key])).map((key) => [key, String(after[key])]),
  )
}

/** Asks for another status; the caller commits. Nothing is sent when that is what the market was last asked for. */
export async function commandStatus(
  ctx: OrderContext,
  tx: Tx,
  request: { symbol: string; status: MarketStatus; action: string; reason: string | undefined; call: CallContext },
): Promise<Commanded> {
  const { symbol, status, reason, call } = request
  const found = await markets.lockWhole(tx, symbol)
  if (!found) throw noSuchMarket()
  const { market, slot } = found
  if (market.wantedStatus === status) return { symbol, commandSeq: slot.nextCommandSeq - 1n }
  checkChange(market, { ...market, wantedStatus: status }, false)
  const now = ctx.clock.now()
  const writer = new CommandWriter(new Map([[symbol, slot]]), now.getTime())
  const commandSeq = writer.write(symbol, setStatus(status), { traceparent: call.traceparent })
  await markets.update(tx, { ...market, wantedStatus: status }, now)
  await markets.saveSlots(tx, writer.usedSlots(), false)
  await appendOutbox(tx, writer.records)
  await note(ctx, tx, request.action, symbol, call, reason === undefined ? {} : { reason })
  return { symbol, commandSeq }
}

async function note(
  ctx: OrderContext,
  tx: Tx,
  action: string,
  symbol: string,
  call: CallContext | undefined,
  details: Record<string, string>,
): Promise<void> {
  await ctx.audit(tx, { action, outcome: 'succeeded', target: { type: 'market', id: symbol }, ctx: call, details })
  tx.afterCommit(() => crashPoint('order.market.committed', 'order'))
}

/** Waits for the engine to have read a command; answers the market as it is then, or as it is after the wait. */
export async function waitForMarket(
  ctx: OrderContext,
  { symbol, commandSeq }: Commanded,
  options: { ms: number; signal: AbortSignal },
): Promise<markets.MarketView> {
  const look = async () => {
    const view = (await markets.bySymbols(ctx.db, [symbol])).get(symbol)
    return view && view.position.lastCommandSeq >= commandSeq ? view : undefined
  }
  const found = (await waitUntil(ctx.hub, marketKey(symbol), options, look)) ?? (await readMarket(ctx, symbol))
  return found
}

async function readMarket(ctx: OrderContext, symbol: string): Promise<markets.MarketView> {
  const view = (await markets.bySymbols(ctx.db, [symbol])).get(symbol)
  if (!view) throw noSuchMarket()
  return view
}

/** How many partitions commands have. */
export const commandPartitions = (ctx: OrderContext): Promise<number> => ctx.eventLog.partitions(COMMANDS)
