import { baseShape } from '@bitka/service'
import { z } from 'zod'

const count = (fallback: number) => z.coerce.number().int().min(1).default(fallback)

export const orderSchema = z.object({
  ...baseShape,
  /** A JSON file with the markets to create when there is none yet (ADR 0007). */
  BITKA_SEED_FILE: z.string().optional(),
  /** How long the first order of a batch waits for company, in milliseconds. */
  BITKA_ORDER_GATHER_MS: z.coerce.number().min(0).max(100).default(3),
  /** The most orders in one batch; the ledger takes 1,000 holds a call. */
  BITKA_ORDER_BATCH_MAX: count(200).pipe(z.number().max(1_000)),
  /** Batches side by side. */
  BITKA_ORDER_BATCHES: count(2),
  /** Orders that may wait for a batch; more are refused as UNAVAILABLE. */
  BITKA_ORDER_QUEUE_MAX: count(2_000),
  /** Open orders a user may have in a market whose definition does not say. */
  BITKA_ORDER_OPEN_MAX: count(200).pipe(z.number().max(10_000)),
  /** How often the sweeper looks for orders that a crash or an outage left behind, in milliseconds. */
  BITKA_ORDER_SWEEP_MS: count(1_000),
  /** How often the ledger is asked how far its settlement is, in milliseconds. */
  BITKA_ORDER_SETTLEMENT_POLL_MS: count(1_000),
})

export type OrderConfig = z.infer<typeof orderSchema>
