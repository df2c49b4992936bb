import { baseShape } from '@bitka/service'
import { z } from 'zod'

/** Nothing beyond what every service reads. */
export const userSchema = z.object(baseShape)
