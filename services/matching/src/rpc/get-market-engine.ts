import type { MethodImpl } from '@bitka/mesh'
import type { MatchingOperatorService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import type { Runner } from '../runner/runner.ts'
import { toMarketEngine } from './market-engine.ts'

/** One market's engine, for operators. */
export const getMarketEngine =
  (runner: Runner): MethodImpl<typeof MatchingOperatorService.method.getMarketEngine> =>
  async ({ symbol }) => ({ engine: toMarketEngine(runner.market(symbol)) })
