import type { Queryable } from '@bitka/store'
import { Book, type BookSnapshot, type BookUpdate, type Level, type Side } from '../domain/book.ts'

type ChangeRow = [side: Side, ticks: number, lots: number]
type UpdateRow = { seq: bigint; time: Date; changes: ChangeRow[] }
type SnapshotRow = { seq: bigint; time: Date; bids: Level[]; asks: Level[] }

const toUpdate = ({ seq, time, changes }: UpdateRow): BookUpdate => ({
  seq,
  timeMs: time.getTime(),
  changes: changes.map(([side, ticks, lots]) => ({ side, ticks, lots })),
})

const toSnapshot = ({ seq, time, bids, asks }: SnapshotRow): BookSnapshot => ({
  seq,
  timeMs: time.getTime(),
  bids,
  asks,
})

export async function insertUpdates(
  tx: Queryable,
  updates: readonly (BookUpdate & { symbol: string })[],
): Promise<void> {
  if (updates.length === 0) return
  await tx.query(
    `insert into book_updates (symbol, seq, time, changes)
     select symbol, seq, time, changes::jsonb
     from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[]) as u (symbol, seq, time, changes)`,
    [
      updates.map((update) => update.symbol),
      updates.map((update) => update.seq),
      updates.map((update) => new Date(update.timeMs)),
      updates.map((update) => JSON.stringify(update.changes.map(({ side, ticks, lots }) => [side, ticks, lots]))),
    ],
  )
}

/** A snapshot of that number is there already when a market is defined again. */
export async function insertSnapshot(tx: Queryable, symbol: string, snapshot: BookSnapshot): Promise<void> {
  await tx.query(
    `insert into book_snapshots (symbol, seq, time, bids, asks) values ($1, $2, $3, $4::jsonb, $5::jsonb)
     on conflict (symbol, seq) do nothing`,
    [symbol, snapshot.seq, new Date(snapshot.timeMs), JSON.stringify(snapshot.bids), JSON.stringify(snapshot.asks)],
  )
}

/** Changes after one number, up to and with another, oldest first. */
export async function updatesBetween(
  db: Queryable,
  symbol: string,
  after: bigint,
  upTo: bigint,
  limit?: number,
): Promise<BookUpdate[]> {
  const { rows } = await db.query<UpdateRow>(
    `select seq, time, changes from book_updates where symbol = $1 and seq > $2 and seq <= $3 order by seq limit $4`,
    [symbol, after, upTo, limit ?? null],
  )
  return rows.map(toUpdate)
}

/** The number of the last change at a time or earlier; 0 when there is none. */
export async function seqAt(db: Queryable, symbol: string, time: Date): Promise<bigint> {
  const { rows } = await db.query<{ seq: bigint }>(
    `select seq from book_updates where symbol = $1 and time <= $2 order by time desc, seq desc limit 1`,
    [symbol, time],
  )
  return rows[0]?.seq ?? 0n
}

/** The number of the last change before a time; 0 when there is none. */
export const seqBefore = (db: Queryable, symbol: string, time: Date): Promise<bigint> =>
  // Times are whole milliseconds.
  seqAt(db, symbol, new Date(time.getTime() - 1))

/** Stored snapshots later than one number, up to and with another, oldest first. */
export async function snapshotsBetween(
  db: Queryable,
  symbol: string,
  after: bigint,
  upTo: bigint,
): Promise<BookSnapshot[]> {
  const { rows } = await db.query<SnapshotRow>(
    `select seq, time, bids, asks from book_snapshots where symbol = $1 and seq > $2 and seq <= $3 order by seq`,
    [symbol, after, upTo],
  )
  return rows.map(toSnapshot)
}

/** The book after its change `seq`: the newest snapshot before it, and the changes from there on. */
export async function readBook(db: Queryable, symbol: string, seq: bigint): Promise<Book> {
  const { rows } = await db.query<SnapshotRow>(
    `select seq, time, bids, asks from book_snapshots where symbol = $1 and seq <= $2 order by seq desc limit 1`,
    [symbol, seq],
  )
  const [row] = rows
  if (!row) throw new Error(`${symbol} has no snapshot at or before ${seq}`)
  const book = Book.of(toSnapshot(row))
  for (const update of await updatesBetween(db, symbol, row.seq, seq)) book.apply(update)
  if (book.seq !== seq) throw new Error(`the book of ${symbol} ends at ${book.seq}, not at ${seq}`)
  return book
}
