import { COMMANDS, RESULTS } from '../events/topics.ts'
import { Board, type Produced } from './board.ts'
import { digestOf, EarlierResults } from './earlier-results.ts'
import { OwnedPartition, type PartitionDeps } from './owned-partition.ts'
import { restoreMarkets } from './restore.ts'

const PAGE = 2_000
const READ_WAIT_MS = 1_000

type Options = { partition: number; owner: string; signal: AbortSignal }

/**
 * Makes this process the owner of a partition, in this order: fence the owner before it, find the stable end of its output,
 * restore the newest snapshot, replay and compare, append what is missing.
 */
export async function takeOver(deps: PartitionDeps, { partition, owner, signal }: Options): Promise<OwnedPartition> {
  const { log, db, logger, metrics } = deps
  const startedMs = performance.now()
  const fence = await log.acquireFence(RESULTS, partition, owner)
  const outputEnd = endOf(await log.latestOffsets(RESULTS), partition)
  const inputEnd = endOf(await log.latestOffsets(COMMANDS), partition)
  const { markets, inputOffset, outputOffset } = await restoreMarkets(db, partition, logger)
  if (inputOffset > inputEnd || outputOffset > outputEnd) {
    throw new Error(`partition ${partition}: the log ends before the snapshots: it has lost records`)
  }
  const board = new Board(markets, (symbol, reason) => {
    metrics.stopped.inc({ partition })
    logger.error({ partition, symbol, reason }, symbol ? 'a market is stopped' : 'a partition is stopped')
  })
  metrics.stopped.set({ partition }, 0)
  const owned = new OwnedPartition(deps, board, fence, { inputOffset, outputOffset: outputEnd })
  const earlier = new EarlierResults({
    log,
    partition,
    from: outputOffset,
    end: outputEnd,
    restoredSeq: (symbol) => board.restoredSeq(symbol),
    signal,
  })
  await replay(deps, owned, earlier, inputEnd, signal)
  for (const symbol of await earlier.leftOver())
    board.stop(symbol, 'the log holds results of commands that it does not hold')
  owned.snapshotWhenDue()
  const tookMs = Math.round(performance.now() - startedMs)
  metrics.replaySeconds.set({ partition }, tookMs / 1_000)
  logger.info({ partition, tookMs, markets: board.all().length }, 'took the partition over')
  return owned
}

function endOf(ends: readonly bigint[], partition: number): bigint {
  const end = ends[partition]
  if (end === undefined) throw new Error(`there is no partition ${partition}`)
  return end
}

async function replay(
  { log }: PartitionDeps,
  owned: OwnedPartition,
  earlier: EarlierResults,
  end: bigint,
  signal: AbortSignal,
): Promise<void> {
  const { partition, board } = owned
  while (owned.position < end) {
    signal.throwIfAborted()
    const page = await log.read(COMMANDS, partition, owned.position, { maxRecords: PAGE, waitMs: READ_WAIT_MS, signal })
    const missing: Produced[] = []
    let compared = 0
    for (const record of page.records) {
      const produced = board.apply(record)
      if (!produced) continue
      if (await isMissing(board, earlier, produced)) missing.push(produced)
      else compared += 1
    }
    await owned.commit(missing, page.nextOffset, compared)
  }
}

/** Compares a regenerated result with the one in the log. One that differs stops its market. */
async function isMissing(board: Board, earlier: EarlierResults, { symbol, seq, record }: Produced): Promise<boolean> {
  const found = await earlier.next(symbol)
  if (!found) return true
  if (found.seq !== seq || found.digest !== digestOf(record.value)) {
    board.stop(symbol, `the log holds other results of command ${seq} than a replay gives`)
  }
  return false
}
