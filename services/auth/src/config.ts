import { availableParallelism } from 'node:os'
import { baseShape } from '@bitka/service'
import { z } from 'zod'
import { parseKek } from './crypto/key-vault.ts'
import { defaultParameters } from './crypto/password-hasher.ts'

/** Key-encryption key: what the private signing keys are sealed with. */
const kek = z.string().transform((text, context): Buffer => {
  const key = parseKek(text)
  if (key === undefined) context.addIssue('must be 32 random bytes in base64 or hex')
  return key ?? Buffer.alloc(0)
})

/** More argon2 side by side than this would only fill libuv's pool of four threads and starve file and name look-ups. */
const MAX_HASHING = 3

export const authSchema = z.object({
  ...baseShape,
  /** 32 random bytes, base64 or hex. Losing it loses the signing keys: everybody signs in again. */
  BITKA_AUTH_KEK: kek,
  /** Mail address of the first operator, who is made at the first start, when there is no admin yet. */
  BITKA_OPERATOR_EMAIL: z.string().optional(),
  /** Password of the first operator; not needed, and not looked at, once there is an admin. */
  BITKA_OPERATOR_PASSWORD: z.string().optional(),
  /** Mail address of the second operator, whom production wants. */
  BITKA_OPERATOR2_EMAIL: z.string().optional(),
  /** Password of the second operator. */
  BITKA_OPERATOR2_PASSWORD: z.string().optional(),
  /** How long a key signs before the next one does. */
  BITKA_AUTH_KEY_ROTATION_HOURS: z.coerce.number().min(1).max(8_760).default(720),
  /** argon2id memory in KiB. Stored hashes made with less are replaced at the next sign-in. */
  BITKA_AUTH_ARGON2_MEMORY_KIB: z.coerce
    .number()
    .int()
    .min(defaultParameters.memoryKiB)
    .default(defaultParameters.memoryKiB),
  /** argon2id passes. */
  BITKA_AUTH_ARGON2_PASSES: z.coerce.number().int().min(defaultParameters.passes).default(defaultParameters.passes),
  /** Passwords hashed side by side. */
  BITKA_AUTH_HASH_CONCURRENCY: z.coerce.number().int().min(1).default(Math.min(MAX_HASHING, availableParallelism())),
  /** Passwords that may wait to be hashed, in each lane; more are refused as UNAVAILABLE. */
  BITKA_AUTH_HASH_QUEUE: z.coerce.number().int().min(1).default(100),
})

export type AuthConfig = z.infer<typeof authSchema>
