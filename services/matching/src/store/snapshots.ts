import { createHash } from 'node:crypto'
import type { Db, Tx } from '@bitka/store'
import { and, asc, desc, eq, lt, sql } from 'drizzle-orm'
import { snapshots } from './tables.ts'

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
    const { rowCount } = await tx.orm
      .update(snapshots)
      .set({
        inputOffset: sql`greatest(${snapshots.inputOffset}, ${inputOffset})`,
        outputOffset: sql`greatest(${snapshots.outputOffset}, ${outputOffset})`,
      })
      .where(
        and(eq(snapshots.partition, partition), eq(snapshots.symbol, symbol), eq(snapshots.commandSeq, commandSeq)),
      )
    if (rowCount !== 1) throw new Error(`the snapshot of ${symbol} at ${commandSeq} is gone`)
    return
  }
  // The row that is there may be a broken one. Plain SQL: drizzle would make text of the state, however large, when it fails.
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
export async function symbolsOf({ orm }: Pick<Db, 'orm'>, partition: number): Promise<string[]> {
  const rows = await orm
    .selectDistinct({ symbol: snapshots.symbol })
    .from(snapshots)
    .where(eq(snapshots.partition, partition))
    .orderBy(asc(snapshots.symbol))
  return rows.map(({ symbol }) => symbol)
}

const stored = {
  commandSeq: snapshots.commandSeq,
  resultNumber: snapshots.resultNumber,
  bookSeq: snapshots.bookSeq,
  inputOffset: snapshots.inputOffset,
  outputOffset: snapshots.outputOffset,
  engineVersion: snapshots.engineVersion,
  state: snapshots.state,
  stateHash: snapshots.stateHash,
}

/** The market's newest snapshot, or the newest before a command. One at a time: they may be large. */
export async function newestSnapshot(
  { orm }: Pick<Db, 'orm'>,
  partition: number,
  symbol: string,
  before = Number.MAX_SAFE_INTEGER,
): Promise<StoredSnapshot | undefined> {
  const [row] = await orm
    .select(stored)
    .from(snapshots)
    .where(and(eq(snapshots.partition, partition), eq(snapshots.symbol, symbol), lt(snapshots.commandSeq, before)))
    .orderBy(desc(snapshots.commandSeq))
    .limit(1)
  return row
}
