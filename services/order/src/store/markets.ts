import { DomainError } from '@bitka/kernel'
import { breaks, preparedRead, type Queryable, type Tx } from '@bitka/store'
import { asc, eq, getTableColumns, sql } from 'drizzle-orm'
import type { Market, Position } from '../domain/market.ts'
import { marketPositions, markets, type Orm } from './tables.ts'

type MarketRow = {
  symbol: string
  base_asset: string
  quote_asset: string
  base_decimals: number
  quote_decimals: number
  tick_size: string
  lot_size: string
  min_quantity: string
  max_quantity: string
  min_notional: string
  price_band_bps: number
  maker_fee_bps: number
  taker_fee_bps: number
  max_open_orders: number
  partition: number
  wanted_status: number
  created_at: Date
}

type PositionRow = {
  last_result_number: bigint
  last_command_seq: bigint
  status: number
  last_price_ticks: bigint | null
  best_bid_ticks: bigint | null
  best_ask_ticks: bigint | null
}

const marketColumns = `m.symbol, m.base_asset, m.quote_asset, m.base_decimals, m.quote_decimals, m.tick_size, m.lot_size,
  m.min_quantity, m.max_quantity, m.min_notional, m.price_band_bps, m.maker_fee_bps, m.taker_fee_bps, m.max_open_orders,
  m.partition, m.wanted_status, m.created_at`
const positionColumns = `p.last_result_number, p.last_command_seq, p.status, p.last_price_ticks, p.best_bid_ticks,
  p.best_ask_ticks`

const toMarket = (row: MarketRow): Market => ({
  symbol: row.symbol,
  baseAsset: row.base_asset,
  quoteAsset: row.quote_asset,
  baseDecimals: row.base_decimals,
  quoteDecimals: row.quote_decimals,
  tickSize: row.tick_size,
  lotSize: row.lot_size,
  minQuantity: row.min_quantity,
  maxQuantity: row.max_quantity,
  minNotional: row.min_notional,
  priceBandBps: row.price_band_bps,
  makerFeeBps: row.maker_fee_bps,
  takerFeeBps: row.taker_fee_bps,
  maxOpenOrders: row.max_open_orders,
  partition: row.partition,
  wantedStatus: row.wanted_status,
  createdAt: row.created_at,
})

const toPosition = (symbol: string, row: PositionRow): Position => ({
  symbol,
  lastResultNumber: row.last_result_number,
  lastCommandSeq: row.last_command_seq,
  status: row.status,
  lastPriceTicks: row.last_price_ticks,
  bestBidTicks: row.best_bid_ticks,
  bestAskTicks: row.best_ask_ticks,
})

export type MarketView = { market: Market; position: Position }
type ViewRow = MarketRow & PositionRow

const toView = (row: ViewRow): MarketView => ({ market: toMarket(row), position: toPosition(row.symbol, row) })

const selectView = `select ${marketColumns}, ${positionColumns} from markets m join market_positions p using (symbol)`

const { nextCommandSeq: _, hadOrder: __, updatedAt: ___, ...marketFields } = getTableColumns(markets)
const view = { market: marketFields, position: getTableColumns(marketPositions) }

/** Every market, by symbol. */
export function all({ orm }: Orm): Promise<MarketView[]> {
  return orm
    .select(view)
    .from(markets)
    .innerJoin(marketPositions, eq(marketPositions.symbol, markets.symbol))
    .orderBy(asc(markets.symbol))
}

const anyOf = preparedRead((orm) =>
  orm
    .select(view)
    .from(markets)
    .innerJoin(marketPositions, eq(marketPositions.symbol, markets.symbol))
    .where(sql`${markets.symbol} = any (${sql.placeholder('symbols')}::text[])`)
    .prepare('order.markets_by_symbol'),
)

/** The markets of these symbols that exist. */
export async function bySymbols(db: Orm, symbols: readonly string[]): Promise<Map<string, MarketView>> {
  const rows = await anyOf(db).execute({ symbols })
  return new Map(rows.map((row) => [row.market.symbol, row]))
}

/**
 * Every market, for validating new orders against: what orders are counted in cannot change before the transaction ends.
 * The lock is the one a foreign key takes: it does not wait for the next command_seq to be taken.
 */
export async function forPlacing(tx: Tx, symbols: readonly string[]): Promise<Map<string, MarketView>> {
  const { rows } = await tx.query<ViewRow>(
    `${selectView} where m.symbol = any ($1) order by m.symbol for key share of m`,
    [symbols],
  )
  return new Map(rows.map((row) => [row.symbol, toView(row)]))
}

/** How far this service has shown the results of each market, with the assets that its trades move. */
export async function shownPositions(
  db: Queryable,
): Promise<{ symbol: string; baseAsset: string; quoteAsset: string; resultNumber: bigint }[]> {
  const { rows } = await db.query<{
    symbol: string
    base_asset: string
    quote_asset: string
    last_result_number: bigint
  }>('select symbol, base_asset, quote_asset, last_result_number from markets join market_positions using (symbol)')
  return rows.map((row) => ({
    symbol: row.symbol,
    baseAsset: row.base_asset,
    quoteAsset: row.quote_asset,
    resultNumber: row.last_result_number,
  }))
}

/** What a command needs of its market. */
export type CommandSlot = { symbol: string; partition: number; nextCommandSeq: bigint; lastCommandMs: number }

type SlotRow = { symbol: string; partition: number; next_command_seq: bigint; last_command_ms: bigint }

const toSlot = (row: SlotRow): CommandSlot => ({
  symbol: row.symbol,
  partition: row.partition,
  nextCommandSeq: row.next_command_seq,
  lastCommandMs: Number(row.last_command_ms),
})

/** Locks markets, in one order everywhere, so that command numbers can be taken. Before any lock on orders. */
export async function lockForCommands(tx: Tx, symbols: readonly string[]): Promise<Map<string, CommandSlot>> {
  const { rows } = await tx.query<SlotRow>(
    `select symbol, partition, next_command_seq, last_command_ms from markets
     where symbol = any ($1) order by symbol for no key update`,
    [symbols],
  )
  return new Map(rows.map((row) => [row.symbol, toSlot(row)]))
}

/** Stores the numbers that were taken. `tookOrders`: one of the commands was a new order. */
export async function saveSlots(tx: Tx, slots: readonly CommandSlot[], tookOrders: boolean): Promise<void> {
  if (slots.length === 0) return
  await tx.query(
    `update markets m set next_command_seq = s.next_command_seq, last_command_ms = s.last_command_ms,
       had_order = m.had_order or $4
     from unnest($1::text[], $2::bigint[], $3::bigint[]) as s (symbol, next_command_seq, last_command_ms)
     where m.symbol = s.symbol`,
    [
      slots.map((slot) => slot.symbol),
      slots.map((slot) => slot.nextCommandSeq),
      slots.map((slot) => slot.lastCommandMs),
      tookOrders,
    ],
  )
}

/** Locks a market against everything, to change its definition. */
export async function lockWhole(
  tx: Tx,
  symbol: string,
): Promise<{ market: Market; slot: CommandSlot; hadOrder: boolean } | undefined> {
  // Orders without a command yet were counted in today's ticks and lots too.
  const { rows } = await tx.query<MarketRow & SlotRow & { had_order: boolean }>(
    `select ${marketColumns}, m.next_command_seq, m.last_command_ms, m.had_order from markets m where m.symbol = $1 for update`,
    [symbol],
  )
  const [row] = rows
  if (!row) return undefined
  const pending = await tx.query(`select 1 from orders where state = 'pending' and symbol = $1 limit 1`, [symbol])
  return {
    market: toMarket(row),
    slot: toSlot(row),
    hadOrder: row.had_order || pending.rowCount === 1,
  }
}

/** How many markets there are, while nobody else can add one. */
export async function countLocked(tx: Tx): Promise<number> {
  await tx.query('lock table markets in share row exclusive mode')
  return tx.orm.$count(markets)
}

/** @throws DomainError conflict for a symbol that is taken */
export async function insert({ orm }: Tx, market: Market, slot: CommandSlot): Promise<void> {
  try {
    const { nextCommandSeq, lastCommandMs } = slot
    await orm.insert(markets).values({ ...market, nextCommandSeq, lastCommandMs, updatedAt: market.createdAt })
  } catch (error) {
    if (breaks(error, 'markets_pkey')) throw new DomainError('conflict', `There is a market ${market.symbol} already.`)
    throw error
  }
  await orm.insert(marketPositions).values({ symbol: market.symbol })
}

/** Changes everything but its name, its partition and when it was made. */
export async function update({ orm }: Tx, market: Market, now: Date): Promise<void> {
  const { symbol, partition: _, createdAt: __, ...definition } = market
  await orm
    .update(markets)
    .set({ ...definition, updatedAt: now })
    .where(eq(markets.symbol, symbol))
}

/** Locks the positions of markets, for applying results. */
export async function lockPositions(tx: Tx, symbols: readonly string[]): Promise<Map<string, Position>> {
  const { rows } = await tx.query<PositionRow & { symbol: string }>(
    `select p.symbol, ${positionColumns} from market_positions p where symbol = any ($1) order by symbol for update`,
    [symbols],
  )
  return new Map(rows.map((row) => [row.symbol, toPosition(row.symbol, row)]))
}

export async function savePositions(tx: Tx, positions: readonly Position[]): Promise<void> {
  await tx.query(
    `update market_positions p set last_result_number = n.last_result_number, last_command_seq = n.last_command_seq,
       status = n.status, last_price_ticks = n.last_price_ticks, best_bid_ticks = n.best_bid_ticks,
       best_ask_ticks = n.best_ask_ticks
     from unnest($1::text[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[])
       as n (symbol, last_result_number, last_command_seq, status, last_price_ticks, best_bid_ticks, best_ask_ticks)
     where p.symbol = n.symbol`,
    [
      positions.map((p) => p.symbol),
      positions.map((p) => p.lastResultNumber),
      positions.map((p) => p.lastCommandSeq),
      positions.map((p) => p.status),
      positions.map((p) => p.lastPriceTicks),
      positions.map((p) => p.bestBidTicks),
      positions.map((p) => p.bestAskTicks),
    ],
  )
}
