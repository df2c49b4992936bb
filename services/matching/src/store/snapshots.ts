import { createHash } from 'node:crypto'
import type { Db, Queryable, Tx } from '@bitka/store'

/** What the engine's state follows from. Another version's snapshots are not used. */
export const ENGINE_VERSION = 1
const KEPT_PER_MARKET = 3

/** Where a partition has come: from here on commands and results are still to be read. */
export type Place = { inputOffset: bigint; outputOffset: bigint }

/** A market's state at a command. Without `state`: the snapshot at that command is stored already, and only its place moved. */
export type Image = {
  symbol: string
  commandSeq: number
  resultNumber: number
  bookSeq: number
  state: Uint8Array | undefined
}

export type StoredSnapshot = Place & {
  commandSeq: number
  resultNumber: number
  bookSeq: number
  engineVersion: number
  state: Uint8Array
  stateHash: Uint8Array
}

export const stateHashOf = (state: Uint8Array): Buffer => createHash('sha256').update(state).digest()

/** Stores all markets of a partition at one place, and forgets what is older than the last three of each. */
export async function saveImages(db: Db, partition: number, place: Place, images: readonly Image[]): Promise<void> {
  await db.transaction(async (tx) => {
    for (const image of images) await saveImage(tx, partition, place, image)
    await tx.query(
      `delete from snapshots s where partition = $1 and command_seq <
         (select k.command_seq from snapshots k where k.partition = s.partition and k.symbol = s.symbol
          order by k.command_seq desc offset $2 limit 1)`,
      [partition, KEPT_PER_MARKET - 1],
    )
  })
}

async function saveImage(tx: Tx, partition: number, place: Place, image: Image): Promise<void> {
  const { symbol, commandSeq, resultNumber, bookSeq, state } = image
  const { inputOffset, outputOffset } = place
  if (state === undefined) {
    // greatest: an owner that was fenced a moment ago may still be writing.
    const { rowCount } = await tx.query(
      `update snapshots set input_offset = greatest(input_offset, $4), output_offset = greatest(output_offset, $5)
       where partition = $1 and symbol = $2 and command_seq = $3`,
      [partition, symbol, commandSeq, inputOffset, outputOffset],
    )
    if (rowCount !== 1) throw new Error(`the snapshot of ${symbol} at ${commandSeq} is gone`)
    return
  }
  // The row that is there may be a broken one.
  await tx.query(
    `insert into snapshots (partition, symbol, command_seq, result_number, book_seq, input_offset, output_offset,
       engine_version, state, state_hash)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (partition, symbol, command_seq) do update set
       result_number = excluded.result_number, book_seq = excluded.book_seq, input_offset = excluded.input_offset,
       output_offset = excluded.output_offset, engine_version = excluded.engine_version, state = excluded.state,
       state_hash = excluded.state_hash, created_at = excluded.created_at`,
    [
      partition,
      symbol,
      commandSeq,
      resultNumber,
      bookSeq,
      inputOffset,
      outputOffset,
      ENGINE_VERSION,
      Buffer.from(state.buffer, state.byteOffset, state.byteLength),
      stateHashOf(state),
    ],
  )
}

/** The markets of a partition that have snapshots. */
export async function symbolsOf(db: Queryable, partition: number): Promise<string[]> {
  const { rows } = await db.query<{ symbol: string }>(
    'select distinct symbol from snapshots where partition = $1 order by symbol',
    [partition],
  )
  return rows.map(({ symbol }) => symbol)
}

/** The market's newest snapshot, or the newest before a command. One at a time: they may be large. */
export async function newestSnapshot(
  db: Queryable,
  partition: number,
  symbol: string,
  before = Number.MAX_SAFE_INTEGER,
): Promise<StoredSnapshot | undefined> {
  const { rows } = await db.query<{
    command_seq: bigint
    result_number: bigint
    book_seq: bigint
    input_offset: bigint
    output_offset: bigint
    engine_version: number
    state: Buffer
    state_hash: Buffer
  }>(
    `select command_seq, result_number, book_seq, input_offset, output_offset, engine_version, state, state_hash
     from snapshots where partition = $1 and symbol = $2 and command_seq < $3 order by command_seq desc limit 1`,
    [partition, symbol, before],
  )
  const [row] = rows
  return (
    row && {
      commandSeq: Number(row.command_seq),
      resultNumber: Number(row.result_number),
      bookSeq: Number(row.book_seq),
      inputOffset: row.input_offset,
      outputOffset: row.output_offset,
      engineVersion: row.engine_version,
      state: row.state,
      stateHash: row.state_hash,
    }
  )
}
