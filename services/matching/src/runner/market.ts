import { MarketEngine } from '../domain/engine.ts'
import { stateHashOf } from '../store/snapshots.ts'

/** One market that this process runs. */
export class Market {
  /** Why it applies nothing more; empty while it runs. */
  stoppedReason = ''
  /** The command whose state is known to be stored whole; -1 for none. */
  storedSeq: number
  private hashed = { seq: -1, hash: '' }

  constructor(
    readonly symbol: string,
    readonly engine = new MarketEngine(),
    /** The command that the engine was restored at; 0 for a market that begins with its first command. */
    readonly restoredSeq = 0,
  ) {
    this.storedSeq = restoredSeq === 0 ? -1 : restoredSeq
  }

  /** SHA-256 of the state, in hex; computed once a state. */
  stateHash(): string {
    const seq = this.engine.lastSeq
    if (this.hashed.seq !== seq) {
      this.hashed = { seq, hash: stateHashOf(this.engine.snapshot()).toString('hex') }
    }
    return this.hashed.hash
  }
}
