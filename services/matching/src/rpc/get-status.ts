import type { MethodImpl } from '@bitka/mesh'
import type { MatchingService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import type { Runner } from '../runner/runner.ts'
import { toMarketEngine } from './market-engine.ts'

/** All markets that this process runs. */
export const getStatus =
  (runner: Runner): MethodImpl<typeof MatchingService.method.getStatus> =>
  async () => ({ markets: runner.markets().map(toMarketEngine) })
