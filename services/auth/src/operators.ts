import { ConfigError, DomainError, newId } from '@bitka/kernel'
import type { Tx } from '@bitka/store'
import type { AuthContext } from './context.ts'
import { emailProblem, normalizeEmail } from './domain/email.ts'
import { passwordProblem } from './domain/password.ts'
import { roleNames } from './domain/roles.ts'
import { OPERATOR_USERNAMES } from './domain/username.ts'
import { userRegistered } from './events/identity-events.ts'
import * as users from './store/users.ts'

type Credentials = { email: string; password: string }

/**
 * Makes the first operators, with every role, when there is no admin yet: afterwards the last admin can never be unmade, so
 * this happens once. Answers how many it made.
 * @throws ConfigError naming the variable, never its value
 */
export async function ensureOperators(context: AuthContext, operators: readonly Credentials[]): Promise<number> {
  if (operators.length === 0 || (await users.hasAdmin(context.db))) return 0
  const hashes: string[] = []
  for (const [index, { email, password }] of operators.entries()) {
    const variable = `BITKA_OPERATOR${index === 0 ? '' : '2'}`
    refuse(`${variable}_EMAIL`, emailProblem(email))
    refuse(`${variable}_PASSWORD`, passwordProblem(password))
    hashes.push(await context.hasher.hash(password))
  }
  return context.db.transaction(async (tx) => {
    // Two replicas at their first start: the later one waits, then finds the admins.
    await users.lockFirstAdmin(tx)
    if (await users.hasAdmin(tx)) return 0
    for (const [index, { email }] of operators.entries())
      await insertOperator(context, tx, index, email, hashes[index] ?? '')
    return operators.length
  })
}

async function insertOperator(
  { clock, audit }: AuthContext,
  tx: Tx,
  index: number,
  email: string,
  passwordHash: string,
): Promise<void> {
  const id = newId()
  const username = OPERATOR_USERNAMES[index] ?? OPERATOR_USERNAMES[0]
  try {
    await users.insert(tx, {
      id,
      username,
      email: normalizeEmail(email),
      passwordHash,
      roles: [...roleNames],
      createdAt: clock.now(),
    })
  } catch (error) {
    if (error instanceof DomainError && error.kind === 'conflict') {
      throw new ConfigError(
        'BITKA_OPERATOR_EMAIL, BITKA_OPERATOR2_EMAIL: somebody registered with this address already',
      )
    }
    throw error
  }
  await userRegistered(tx, id)
  await audit(tx, { action: 'auth.create-operator', outcome: 'succeeded', target: { type: 'user', id } })
}

function refuse(variable: string, problem: string | undefined): void {
  if (problem !== undefined) throw new ConfigError(`${variable}: ${problem}`)
}
