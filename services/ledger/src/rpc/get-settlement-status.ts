import type { MethodImpl } from '@bitka/mesh'
import type { LedgerPostingService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerContext } from '../context.ts'

/** How far settlement has come. Order refuses new orders in markets where it is stopped or late. */
export const getSettlementStatus =
  ({ settlement }: LedgerContext): MethodImpl<typeof LedgerPostingService.method.getSettlementStatus> =>
  async () => {
    const partitions = settlement.partitions()
    const markets = await settlement.markets()
    return {
      markets: markets.map(({ symbol, partition, commandSeq, resultNumber }) => {
        const { lagMs = 0, stopped = false } = partitions.find((one) => one.partition === partition) ?? {}
        return { symbol, partition, commandSeq, resultNumber, lagMs: BigInt(lagMs), stopped }
      }),
      partitions: partitions.map(({ partition, lagMs, stopped }) => ({ partition, lagMs: BigInt(lagMs), stopped })),
    }
  }
