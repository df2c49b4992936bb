import type { ServicePolicy } from '@bitka/mesh'
import type { MatchingOperatorService, MatchingService } from '@bitka/proto/bitka/matching/v1/matching_pb'

const readers = ['market-data', 'order'] as const

/** Which services may read the engines. */
export const servicePolicy: ServicePolicy<typeof MatchingService> = {
  getBook: { kind: 'internal', callers: readers },
  getStatus: { kind: 'internal', callers: readers },
  getStateHash: { kind: 'internal', callers: readers },
}

/** Which people may. */
export const operatorPolicy: ServicePolicy<typeof MatchingOperatorService> = {
  getMarketEngine: { kind: 'user', roles: ['operator', 'admin', 'auditor'] },
}
