import { createHash } from 'node:crypto'
import type { EventLog, StoredRecord } from '@bitka/events'
import { seqHeader } from '../events/decode-command.ts'
import { RESULTS } from '../events/topics.ts'

const PAGE = 2_000
/** How long one read may wait for records that are known to be there. */
const READ_WAIT_MS = 1_000

/** A record that an earlier owner appended. `seq` is undefined where its header is no number. */
export type EarlierResult = { seq: number | undefined; digest: string }

export const digestOf = (value: Uint8Array): string => createHash('sha256').update(value).digest('base64')

type Options = {
  log: EventLog
  partition: number
  from: bigint
  /** The end of the earlier owners' output: what lies behind it is ours. */
  end: bigint
  /** The command at which a market was restored: results up to it are not asked for. */
  restoredSeq: (symbol: string) => number
  signal: AbortSignal
}

/**
 * What earlier owners of a partition appended, handed out market by market in order. It reads no further than it is asked,
 * since results stand in the order of their commands.
 */
export class EarlierResults {
  private readonly waiting = new Map<string, EarlierResult[]>()
  private offset: bigint

  constructor(private readonly options: Options) {
    this.offset = options.from
  }

  /** The market's next result, or undefined when there is none left. */
  async next(symbol: string): Promise<EarlierResult | undefined> {
    for (;;) {
      const found = this.waiting.get(symbol)?.shift()
      if (found || this.offset >= this.options.end) return found
      await this.readPage()
    }
  }

  /** Markets with results that nobody asked for. */
  async leftOver(): Promise<string[]> {
    while (this.offset < this.options.end) await this.readPage()
    return [...this.waiting].filter(([, results]) => results.length > 0).map(([symbol]) => symbol)
  }

  private async readPage(): Promise<void> {
    const { log, partition, end, signal } = this.options
    signal.throwIfAborted()
    const page = await log.read(RESULTS, partition, this.offset, { maxRecords: PAGE, waitMs: READ_WAIT_MS, signal })
    for (const record of page.records) if (record.offset < end) this.keep(record)
    this.offset = page.nextOffset
  }

  private keep({ key, headers, value }: StoredRecord): void {
    const seq = seqHeader(headers)
    if (seq !== undefined && seq <= this.options.restoredSeq(key)) return
    const results = this.waiting.get(key) ?? []
    if (results.length === 0) this.waiting.set(key, results)
    results.push({ seq, digest: digestOf(value) })
  }
}
