import type { MethodImpl } from '@bitka/mesh'
import type { MatchingService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import type { Runner } from '../runner/runner.ts'

/** The hash of a market's state, with the command that it is the state after. */
export const getStateHash =
  (runner: Runner): MethodImpl<typeof MatchingService.method.getStateHash> =>
  async ({ symbol }) => {
    const { market } = runner.market(symbol)
    return { commandSeq: BigInt(market.engine.lastSeq), stateHash: market.stateHash() }
  }
