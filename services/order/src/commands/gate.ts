import { DomainError } from '@bitka/kernel'
import { COMMANDS } from '../events/commands.ts'

/** Commands older than this that have not reached the log: it is away or too slow, so take no more. */
const UNSENT_MS_MAX = 2_000
/** Settlement further behind than this: balances that people see are too old to trade on. */
const SETTLEMENT_BEHIND_MS_MAX = 10_000

/** How far the ledger has settled one partition of the results. */
export type SettlementState = { partition: number; stopped: boolean; behindMs: number }

/** Says when new orders cannot be taken. Cancels never ask. */
export class Gate {
  private settlement = new Map<number, SettlementState>()

  constructor(private readonly oldestUnsentAgeMs: (topic: string) => number) {}

  /** What the ledger last said. A partition that it does not name has nothing to settle. */
  settlementIs(states: readonly SettlementState[]): void {
    this.settlement = new Map(states.map((state) => [state.partition, state]))
  }

  /** @throws DomainError unavailable while commands do not reach the log */
  checkBacklog(): void {
    if (this.oldestUnsentAgeMs(COMMANDS) > UNSENT_MS_MAX) {
      throw new DomainError('unavailable', 'Orders are not reaching the engine right now. Try again shortly.')
    }
  }

  /** @throws DomainError unavailable while the market's trades are not settled */
  checkSettlement({ partition }: { partition: number }): void {
    const state = this.settlement.get(partition)
    if (state && (state.stopped || state.behindMs > SETTLEMENT_BEHIND_MS_MAX)) {
      throw new DomainError('unavailable', 'Trades of this market are waiting to be settled. Try again shortly.')
    }
  }
}
