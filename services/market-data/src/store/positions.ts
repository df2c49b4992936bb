import type { Queryable } from '@bitka/store'
import type { Position } from '../domain/results.ts'

/** A position, and where its newest snapshot is. */
export type StoredPosition = Position & { snapshotSeq: bigint }

type Row = {
  symbol: string
  result_number: bigint
  command_seq: bigint
  book_seq: bigint
  trade_number: bigint
  snapshot_seq: bigint
  time: Date
}

const columns = 'symbol, result_number, command_seq, book_seq, trade_number, snapshot_seq, time'

const toPosition = (row: Row): StoredPosition => ({
  symbol: row.symbol,
  resultNumber: row.result_number,
  commandSeq: row.command_seq,
  bookSeq: row.book_seq,
  tradeNumber: row.trade_number,
  snapshotSeq: row.snapshot_seq,
  timeMs: row.time.getTime(),
})

/** By symbol, locked for the rest of the transaction: a market's results are applied by one process at a time. */
export async function lockPositions(tx: Queryable, symbols: readonly string[]): Promise<Map<string, StoredPosition>> {
  const { rows } = await tx.query<Row>(
    `select ${columns} from positions where symbol = any ($1::text[]) order by symbol for update`,
    [symbols],
  )
  return new Map(rows.map((row) => [row.symbol, toPosition(row)]))
}

/** The positions of all markets that are defined. */
export async function listPositions(db: Queryable): Promise<StoredPosition[]> {
  const { rows } = await db.query<Row>(
    `select ${columns} from positions where symbol in (select symbol from markets) order by symbol`,
  )
  return rows.map(toPosition)
}

export async function savePositions(tx: Queryable, positions: readonly StoredPosition[]): Promise<void> {
  await tx.query(
    `insert into positions (${columns})
     select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::timestamptz[])
     on conflict (symbol) do update set
       result_number = excluded.result_number, command_seq = excluded.command_seq, book_seq = excluded.book_seq,
       trade_number = excluded.trade_number, snapshot_seq = excluded.snapshot_seq, time = excluded.time`,
    [
      positions.map((position) => position.symbol),
      positions.map((position) => position.resultNumber),
      positions.map((position) => position.commandSeq),
      positions.map((position) => position.bookSeq),
      positions.map((position) => position.tradeNumber),
      positions.map((position) => position.snapshotSeq),
      positions.map((position) => new Date(position.timeMs)),
    ],
  )
}
