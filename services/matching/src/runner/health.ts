import type { EventLog } from '@bitka/events'
import type { Dependency } from '@bitka/service'
import { COMMANDS } from '../events/topics.ts'
import type { OwnedPartition } from './owned-partition.ts'
import type { Runner } from './runner.ts'

/** One line a partition: is it owned by this process, do its markets run, and how far is it behind. */
export async function runnerHealth(runner: Runner, log: EventLog): Promise<Dependency[]> {
  const ends = await log.latestOffsets(COMMANDS)
  return ends.map((end, partition) => {
    const name = `matching partition ${partition}`
    const owned = runner.owned().get(partition)
    if (!owned) return { name, ok: false, detail: 'not taken over by this process' }
    const stopped = reasons(owned)
    if (stopped.length > 0) return { name, ok: false, detail: stopped.join('; ') }
    return { name, ok: true, detail: `${end - owned.position} commands behind` }
  })
}

function reasons({ board }: OwnedPartition): string[] {
  const ofMarkets = board.all().flatMap(({ symbol, stoppedReason }) => {
    return stoppedReason === '' ? [] : [`${symbol} is stopped: ${stoppedReason}`]
  })
  return board.stoppedReason === '' ? ofMarkets : [`stopped: ${board.stoppedReason}`, ...ofMarkets]
}
