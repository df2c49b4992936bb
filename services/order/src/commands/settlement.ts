import type { OrderContext } from '../context.ts'

const DEADLINE_MS = 2_000

/** Asks the ledger how far it has settled the results. While it cannot be asked, holds decide: they need it too. */
export async function watchSettlement({ ledger, gate }: Pick<OrderContext, 'ledger' | 'gate'>): Promise<void> {
  const { partitions } = await ledger.getSettlementStatus({}, { deadlineMs: DEADLINE_MS })
  gate.settlementIs(
    partitions.map(({ partition, lagMs, stopped }) => ({ partition, behindMs: Number(lagMs), stopped })),
  )
}
