import type { Queryable, Tx } from '@bitka/store'
import { asc, getTableColumns } from 'drizzle-orm'
import type { Position } from '../domain/model.ts'
import { prepared } from './sql.ts'
import { type Orm, settlementPositions } from './tables.ts'

type PositionRow = { symbol: string; command_seq: bigint; result_number: bigint; partition: number }

const COLUMNS = 'symbol, command_seq, result_number, partition'

const insert = prepared(
  'insert_positions',
  `insert into settlement_positions (symbol, command_seq, result_number, partition, updated_at)
   select symbol, 0, 0, partition, $3 from unnest($1::text[], $2::int[]) as m (symbol, partition) order by symbol
   on conflict on constraint settlement_positions_pkey do nothing`,
)
const lock = prepared<PositionRow>(
  'lock_positions',
  `select ${COLUMNS} from settlement_positions where symbol = any($1::text[]) order by symbol for update`,
)
const select = prepared<PositionRow>(
  'select_positions',
  `select ${COLUMNS} from settlement_positions where symbol = any($1::text[])`,
)
const update = prepared(
  'update_positions',
  `update settlement_positions p
   set command_seq = u.command_seq, result_number = u.result_number, partition = u.partition, updated_at = $5
   from unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[]) as u (symbol, command_seq, result_number, partition)
   where p.symbol = u.symbol`,
)

const toPosition = (row: PositionRow): Position => ({
  symbol: row.symbol,
  commandSeq: row.command_seq,
  resultNumber: row.result_number,
  partition: row.partition,
})

/** Locks the positions of markets that are about to be settled; a market that is new begins at 0. */
export async function lockPositions(tx: Tx, markets: ReadonlyMap<string, number>, now: Date): Promise<Position[]> {
  if (markets.size === 0) return []
  const symbols = [...markets.keys()]
  const rows = await lock(tx, [symbols])
  if (rows.length === markets.size) return rows.map(toPosition)
  await insert(tx, [symbols, [...markets.values()], now])
  return (await lock(tx, [symbols])).map(toPosition)
}

/** How far markets are settled. */
export async function selectPositions(db: Queryable, symbols: readonly string[]): Promise<Position[]> {
  return symbols.length === 0 ? [] : (await select(db, [symbols])).map(toPosition)
}

export function allPositions({ orm }: Orm): Promise<Position[]> {
  const { updatedAt: _, ...position } = getTableColumns(settlementPositions)
  return orm.select(position).from(settlementPositions).orderBy(asc(settlementPositions.symbol))
}

export async function updatePositions(tx: Tx, positions: readonly Position[], now: Date): Promise<void> {
  if (positions.length === 0) return
  await update(tx, [
    positions.map(({ symbol }) => symbol),
    positions.map(({ commandSeq }) => commandSeq.toString()),
    positions.map(({ resultNumber }) => resultNumber.toString()),
    positions.map(({ partition }) => partition),
    now,
  ])
}
