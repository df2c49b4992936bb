import { type EventLog, type RelayOptions, readLast } from '@bitka/events'
import type { Logger } from '@bitka/kernel'
import type { Queryable } from '@bitka/store'
import { knownCommands, type LoggedCommand, lastSent, markUnsent } from '../store/outbox.ts'
import { COMMANDS } from './commands.ts'

/** How many commands of a partition are compared at first; more only when all of these are missing. */
const COMPARED = 1_000

/**
 * Before the first command is sent: has those sent again that the log does not have, as after it was restored from an
 * older copy. Sending one twice changes nothing, since matching takes each command_seq once.
 */
export const resendMissing =
  (log: Logger): NonNullable<RelayOptions['beforeFirstRun']> =>
  async ({ query, log: eventLog }) => {
    const partitions = await eventLog.partitions(COMMANDS)
    for (let partition = 0; partition < partitions; partition += 1) {
      // Read once for both questions: orders wait while a new relay asks them.
      const newest = await lastCommands(eventLog, partition, COMPARED)
      await refuseOlderDatabase(query, partition, newest)
      const missing = await missingFrom(query, eventLog, partition, newest)
      if (missing.length === 0) continue
      log.warn({ partition, commands: missing.length }, 'the log lacks commands that were sent; sending them again')
      await markUnsent(query, missing)
    }
  }

/**
 * A command is in the database before it is in the log. Where the log has one that the database does not know, or knows
 * as another, the database was restored from an older copy: it gives numbers a second time, and matching would pass over
 * the commands that get them. Nothing is sent then.
 */
async function refuseOlderDatabase(db: Queryable, partition: number, newest: LastCommands): Promise<void> {
  const known = await knownCommands(db, partition, newest)
  for (const { symbol, commandSeq, eventId } of newest.values()) {
    const { nextSeq = 1n, eventId: ours = eventId } = known.get(symbol) ?? {}
    if (commandSeq < nextSeq && ours === eventId) continue
    throw new Error(
      `the log has a command ${commandSeq} of ${symbol} that this database never gave: it is older than the log`,
    )
  }
}

async function missingFrom(
  db: Queryable,
  eventLog: EventLog,
  partition: number,
  newest: LastCommands,
): Promise<bigint[]> {
  let inLog = newest
  for (let compared = COMPARED; ; ) {
    const sent = await lastSent(db, partition, compared)
    const missing = sent.filter(({ symbol, commandSeq }) => commandSeq > (inLog.get(symbol)?.commandSeq ?? 0n))
    if (missing.length < sent.length || sent.length < compared) return missing.map(({ id }) => id)
    compared *= 4
    inLog = await lastCommands(eventLog, partition, compared)
  }
}

/** By market. */
type LastCommands = ReadonlyMap<string, LoggedCommand>

/** The last command of each market among a partition's last records: twice as many, since a command may be there twice. */
async function lastCommands(eventLog: EventLog, partition: number, compared: number): Promise<LastCommands> {
  const last = new Map<string, LoggedCommand>()
  for (const { key: symbol, headers } of await readLast(eventLog, COMMANDS, partition, compared * 2)) {
    const commandSeq = BigInt(headers.command_seq ?? 0)
    if (commandSeq <= (last.get(symbol)?.commandSeq ?? 0n)) continue
    last.set(symbol, { symbol, commandSeq, eventId: headers['event-id'] ?? '' })
  }
  return last
}
