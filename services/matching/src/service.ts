import { implement } from '@bitka/mesh'
import { MatchingOperatorService, MatchingService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import { defineService } from '@bitka/service'
import { configSchema } from './config.ts'
import { operatorPolicy, servicePolicy } from './policy.ts'
import { getBook } from './rpc/get-book.ts'
import { getMarketEngine } from './rpc/get-market-engine.ts'
import { getStateHash } from './rpc/get-state-hash.ts'
import { getStatus } from './rpc/get-status.ts'
import { runnerHealth } from './runner/health.ts'
import { matchingMetrics } from './runner/metrics.ts'
import { startRunner } from './runner/runner.ts'

/** The matching engine: commands in, results out, one deterministic book a market. */
export const startMatching = defineService({
  name: 'matching',
  schema: configSchema,
  build: async ({ config, db, eventLog, log, metrics, tracing }) => {
    const runner = startRunner({
      log: eventLog,
      db,
      logger: log,
      snapshotEvery: config.BITKA_MATCHING_SNAPSHOT_EVERY,
      metrics: matchingMetrics(metrics),
      tracing,
    })
    return {
      rpcs: [
        implement(
          MatchingService,
          { getBook: getBook(runner), getStatus: getStatus(runner), getStateHash: getStateHash(runner) },
          servicePolicy,
        ),
        implement(MatchingOperatorService, { getMarketEngine: getMarketEngine(runner) }, operatorPolicy),
      ],
      loops: [runner],
      dependencies: () => runnerHealth(runner, eventLog),
    }
  },
})
