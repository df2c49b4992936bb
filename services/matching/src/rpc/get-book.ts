import { DomainError, invalidField } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { MatchingService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import type { Level } from '../domain/result.ts'
import { toWireDefinition } from '../events/market-definition.ts'
import type { Runner } from '../runner/runner.ts'

const toLevel = ({ ticks, lots }: Level) => ({ priceTicks: BigInt(ticks), quantityLots: BigInt(lots) })

/** The book as it is now: a copy to which the changes from `seq` on apply. */
export const getBook =
  (runner: Runner): MethodImpl<typeof MatchingService.method.getBook> =>
  async ({ symbol, depth }) => {
    if (depth < 0) throw invalidField('depth', 'must not be negative')
    const { market, board } = runner.market(symbol)
    // A market that stopped may have applied what the log does not hold.
    if (board.reasonOf(market) !== '') throw new DomainError('unavailable', 'The engine of this market is stopped.')
    const { engine } = market
    if (!engine.definition) throw new DomainError('not_found', 'There is no such market.')
    const { bookSeq, bids, asks } = engine.getBook(depth === 0 ? undefined : depth)
    return {
      market: toWireDefinition(engine.definition),
      seq: BigInt(bookSeq),
      bids: bids.map(toLevel),
      asks: asks.map(toLevel),
      resultNumber: BigInt(engine.lastResultNumber),
    }
  }
