import type { LogRecord, StoredRecord } from '@bitka/events'
import { assert } from '@bitka/kernel'
import { decodeCommand } from '../events/decode-command.ts'
import { UndecodableError } from '../events/decoding.ts'
import { encodeResults } from '../events/encode-results.ts'
import type { Image } from '../store/snapshots.ts'
import { Market } from './market.ts'

/** What one command led to, ready for the log. */
export type Produced = { symbol: string; seq: number; record: LogRecord }

/** The markets of one partition, without I/O. A market that goes wrong stops alone; what nobody can place stops all. */
export class Board {
  private readonly markets = new Map<string, Market>()
  /** Why no market of the partition applies anything more; empty while they run. */
  stoppedReason = ''

  constructor(
    restored: readonly Market[],
    private readonly onStop: (symbol: string | undefined, reason: string) => void,
  ) {
    for (const market of restored) this.markets.set(market.symbol, market)
  }

  all(): Market[] {
    return [...this.markets.values()]
  }

  find(symbol: string): Market | undefined {
    return this.markets.get(symbol)
  }

  /** The command at which the market was restored. */
  restoredSeq(symbol: string): number {
    return this.markets.get(symbol)?.restoredSeq ?? 0
  }

  /** Why a market stands, or empty. */
  reasonOf(market: Market): string {
    return market.stoppedReason || this.stoppedReason
  }

  get hasStopped(): boolean {
    return this.stoppedReason !== '' || this.all().some(({ stoppedReason }) => stoppedReason !== '')
  }

  /** Applies the next record; nothing comes of one that was applied before, or whose market stands. */
  apply(record: StoredRecord): Produced | undefined {
    if (this.stoppedReason !== '') return undefined
    try {
      const { symbol, command } = decodeCommand(record)
      const market = this.claim(symbol)
      if (market.stoppedReason !== '') return undefined
      const produced = this.applyTo(market, command)
      // Handed on around the engine: its state and the bytes of its results know of no trace.
      const { traceparent } = record.headers
      if (produced && traceparent !== undefined) produced.record.headers.traceparent = traceparent
      return produced
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      this.stoppedReason = error.message
      this.onStop(undefined, error.message)
      return undefined
    }
  }

  /** Stops one market for as long as this process runs; its first reason stays. */
  stop(symbol: string, reason: string): void {
    const market = this.claim(symbol)
    if (market.stoppedReason !== '') return
    market.stoppedReason = reason
    this.onStop(symbol, reason)
  }

  /** The states as they are now. Those whose state is stored already come without it. */
  images(): Image[] {
    return this.all().map(({ symbol, engine, storedSeq }) => ({
      symbol,
      commandSeq: engine.lastSeq,
      resultNumber: engine.lastResultNumber,
      bookSeq: engine.bookSeq,
      state: storedSeq === engine.lastSeq ? undefined : engine.snapshot(),
    }))
  }

  private claim(symbol: string): Market {
    const known = this.markets.get(symbol)
    if (known) return known
    const market = new Market(symbol)
    this.markets.set(symbol, market)
    return market
  }

  private applyTo({ symbol, engine }: Market, command: Parameters<Market['engine']['apply']>[0]): Produced | undefined {
    try {
      const outcome = engine.apply(command)
      if (outcome.status === 'duplicate') return undefined
      assert(outcome.results.length > 0, 'every command has a result')
      return { symbol, seq: command.seq, record: encodeResults(symbol, outcome) }
    } catch (error) {
      // A gap in the commands, or a mistake of ours. Nothing after it can be trusted.
      this.stop(symbol, error instanceof Error ? error.message : String(error))
      return undefined
    }
  }
}
