import { DomainError } from '@bitka/kernel'
import type { CallContext } from '@bitka/mesh'
import type { AuthContext } from './context.ts'
import type { Lane } from './crypto/hash-queue.ts'
import { emailProblem, normalizeEmail } from './domain/email.ts'
import { waitMs } from './domain/sign-in-delay.ts'
import { usernameProblem } from './domain/username.ts'
import { networkOf } from './network.ts'
import * as devices from './store/devices.ts'
import * as failures from './store/sign-in-failures.ts'
import * as users from './store/users.ts'

/** The one answer to every sign-in that fails, whatever was wrong. */
export const wrongCredentials = (): DomainError =>
  new DomainError('unauthenticated', 'The username or password is wrong.')

export const deviceOf = (call: CallContext): devices.Device => ({
  address: call.clientAddress ?? '',
  userAgent: call.userAgent ?? '',
})

/** The user of an email or username; what can be neither is nobody, and never reaches the database. */
export async function findByIdentifier(
  { db }: Pick<AuthContext, 'db'>,
  identifier: string,
): Promise<users.User | undefined> {
  if (usernameProblem(identifier) === undefined) return users.findByUsername(db, identifier)
  return users.findByEmail(db, emailProblem(identifier) === undefined ? normalizeEmail(identifier) : '')
}

/** One try at a password. */
export type PasswordAttempt = failures.Attempt & { lane: Lane }

/**
 * Lets a try at a password begin, unless too many failed just before from the same network. Asks the database the same
 * questions for a user who does not exist.
 * @throws DomainError rate_limited, with details.retry_after in seconds
 */
export async function beginAttempt(
  { db, clock }: AuthContext,
  account: { userId: string | undefined; identifier: string },
  call: CallContext,
): Promise<PasswordAttempt> {
  const { address } = deviceOf(call)
  const attempt = { account: failures.accountOf(account.userId, account.identifier), network: networkOf(address) }
  const isKnown = await devices.isKnownAddress(db, account.userId, address)
  const wait = waitMs(await failures.find(db, attempt), isKnown, clock.nowMs())
  if (wait > 0) {
    const seconds = String(Math.ceil(wait / 1_000))
    throw new DomainError('rate_limited', `Too many failed attempts. Try again in ${seconds} s.`, {
      retry_after: seconds,
    })
  }
  return { ...attempt, lane: isKnown ? 'known' : 'stranger' }
}
