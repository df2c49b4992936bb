import type { EventLog } from '@bitka/events'
import type { Dependency } from '@bitka/service'
import { COMMANDS } from '../events/topics.ts'
import type { OwnedPartition } from './owned-partition.ts'
import type { Runner } from './runner.ts'

/**
 * One line a partition: is it owned by this process or by another one, do its markets run, and how far is it behind. A
 * process is ready when it has taken over all that is its own: with more processes than partitions one is a standby.
 */
export async function runnerHealth(runner: Runner, log: EventLog): Promise<Dependency[]> {
  const ends = await log.latestOffsets(COMMANDS)
  return ends.map((end, partition) => {
    const name = `matching partition ${partition}`
    const owned = runner.owned().get(partition)
    if (!owned) return missing(name, runner.shareOf(partition))
    const stopped = reasons(owned)
    if (stopped.length > 0) return { name, ok: false, detail: stopped.join('; ') }
    return { name, ok: true, detail: `${end - owned.position} commands behind` }
  })
}

const missing = (name: string, share: ReturnType<Runner['shareOf']>): Dependency =>
  share === 'another’s'
    ? { name, ok: true, detail: 'with another process' }
    : { name, ok: false, detail: share === 'ours' ? 'being taken over' : 'not taken over by this process' }

function reasons({ board }: OwnedPartition): string[] {
  const ofMarkets = board.all().flatMap(({ symbol, stoppedReason }) => {
    return stoppedReason === '' ? [] : [`${symbol} is stopped: ${stoppedReason}`]
  })
  return board.stoppedReason === '' ? ofMarkets : [`stopped: ${board.stoppedReason}`, ...ofMarkets]
}
