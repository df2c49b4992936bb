import { baseShape } from '@bitka/service'
import { z } from 'zod'

export const schema = z.object({
  ...baseShape,
  /** How many messages a stream keeps for a slow reader before it is ended with UNAVAILABLE, to be opened again. */
  BITKA_MARKET_DATA_STREAM_QUEUE: z.coerce.number().int().min(1).max(65_536).default(1024),
})
