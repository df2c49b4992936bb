import { baseShape } from '@bitka/service'
import { z } from 'zod'

/** What the ledger reads from its environment, beside what every service reads. */
export const ledgerSchema = z.object({
  ...baseShape,
  /** A JSON file with the assets to create when there is none yet (ADR 0007). */
  BITKA_SEED_FILE: z.string().optional(),
  /** How long a posting waits for others to share its commit, in milliseconds. */
  BITKA_LEDGER_GATHER_MS: z.coerce.number().min(0).max(100).default(2),
  /** The most postings in one commit. */
  BITKA_LEDGER_BATCH_MAX: z.coerce.number().int().min(1).max(5_000).default(500),
  /** The most postings that wait for a commit; beyond it requests are refused with UNAVAILABLE. */
  BITKA_LEDGER_QUEUE_MAX: z.coerce.number().int().min(1).max(1_000_000).default(20_000),
  /** How long a hold waits for the settlement of results that its user was shown, before UNAVAILABLE, in milliseconds. */
  BITKA_LEDGER_HOLD_WAIT_MS: z.coerce.number().int().min(0).max(10_000).default(500),
})
