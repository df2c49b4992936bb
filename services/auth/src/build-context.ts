import { ConfigError, Loop } from '@bitka/kernel'
import type { ServiceContext } from '@bitka/service'
import { purgeIdempotency } from '@bitka/store'
import type { AuthConfig } from './config.ts'
import type { AuthContext } from './context.ts'
import { KeyVault } from './crypto/key-vault.ts'
import { defaultParameters, PasswordHasher } from './crypto/password-hasher.ts'
import { KeyRing } from './key-ring.ts'
import { ensureOperators } from './operators.ts'
import * as sessions from './store/sessions.ts'
import * as failures from './store/sign-in-failures.ts'

const KEY_CHECK_MS = 30_000
const PURGE_MS = 10 * 60_000
/** Ended and expired sessions are kept for a while: a spent token that comes back says that it was stolen. */
const SESSIONS_KEPT_MS = 24 * 60 * 60_000

/** Opens the keys, makes the first operators, and starts the loops. */
export async function buildContext(
  service: ServiceContext<AuthConfig>,
): Promise<{ context: AuthContext; loops: Loop[] }> {
  const { config, db, clock, log, audit, profile } = service
  const vault = new KeyVault(config.BITKA_AUTH_KEK)
  const hasher = await PasswordHasher.create(
    {
      ...defaultParameters,
      memoryKiB: config.BITKA_AUTH_ARGON2_MEMORY_KIB,
      passes: config.BITKA_AUTH_ARGON2_PASSES,
    },
    { concurrency: config.BITKA_AUTH_HASH_CONCURRENCY, maxWaiting: config.BITKA_AUTH_HASH_QUEUE },
  )
  const intervalMs = config.BITKA_AUTH_KEY_ROTATION_HOURS * 60 * 60_000
  const keys = await KeyRing.open({ db, vault, clock, log, intervalMs })
  const context: AuthContext = { db, clock, log, audit, hasher, keys, vault }
  const made = await ensureOperators(context, operatorsOf(config))
  if (profile === 'production' && made === 1) {
    log.warn('production wants two operators; only one was given at the first start')
  }
  const rotation = new Loop({ name: 'auth.keys', intervalMs: KEY_CHECK_MS, log }, () => keys.refresh())
  const purge = new Loop({ name: 'auth.purge', intervalMs: PURGE_MS, log }, async () => {
    const now = clock.now()
    const [old, forgotten] = [
      await sessions.purge(db, new Date(now.getTime() - SESSIONS_KEPT_MS)),
      await failures.purge(db, now),
    ]
    await purgeIdempotency(db, { now })
    return old + forgotten >= 1_000
  })
  return { context, loops: [rotation, purge] }
}

/** @throws ConfigError for a password without its mail address */
function operatorsOf(config: AuthConfig): { email: string; password: string }[] {
  const first = { email: config.BITKA_OPERATOR_EMAIL, password: config.BITKA_OPERATOR_PASSWORD }
  const second = { email: config.BITKA_OPERATOR2_EMAIL, password: config.BITKA_OPERATOR2_PASSWORD }
  for (const [name, { email, password }] of Object.entries({ OPERATOR: first, OPERATOR2: second })) {
    if (email === undefined && password !== undefined) throw new ConfigError(`BITKA_${name}_EMAIL: required`)
  }
  return [first, second].flatMap(({ email, password }) =>
    email === undefined || password === undefined ? [] : [{ email, password }],
  )
}
