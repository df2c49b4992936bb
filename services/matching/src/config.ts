import { baseShape } from '@bitka/service'
import { z } from 'zod'

/** What matching reads from its environment. */
export const configSchema = z.object({
  ...baseShape,
  /** A snapshot of a partition's markets is taken after this many commands, and at a clean stop. */
  BITKA_MATCHING_SNAPSHOT_EVERY: z.coerce.number().int().min(1).default(10_000),
})
