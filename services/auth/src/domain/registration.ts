import { DomainError } from '@bitka/kernel'
import { emailProblem, normalizeEmail } from './email.ts'
import { normalizePassword, passwordProblem } from './password.ts'
import { isReserved, usernameProblem } from './username.ts'

export type RegistrationForm = { username: string; email: string; password: string }

/** Checked and normalised: the username as its owner writes it, the mail address and password in the form that is kept. */
export type Registration = RegistrationForm

/** Field → reason, for those that have one. */
export function refuseFields(problems: Record<string, string | undefined>): void {
  const details: Record<string, string> = {}
  for (const [field, reason] of Object.entries(problems)) if (reason !== undefined) details[field] = reason
  const named = Object.entries(details)
  if (named.length === 0) return
  const sentence = named.map(([field, reason]) => `The field ${field} ${reason}.`).join(' ')
  throw new DomainError('invalid', sentence, details)
}

export type TakenFields = { username: boolean; email: boolean }

/** CONFLICT that names each field whose value somebody else has. */
export function takenError({ username, email }: TakenFields): DomainError {
  const details = { ...(username && { username: 'is taken' }), ...(email && { email: 'is taken' }) }
  return new DomainError('conflict', `The ${Object.keys(details).join(' and ')} is already taken.`, details)
}

/**
 * Checks what somebody wants to register with; every field at fault is named at once.
 * @throws DomainError invalid, or conflict for a reserved username
 */
export function checkRegistration(form: RegistrationForm): Registration {
  refuseFields({
    username: usernameProblem(form.username),
    email: emailProblem(form.email),
    password: passwordProblem(form.password, form.username),
  })
  if (isReserved(form.username)) throw takenError({ username: true, email: false })
  return { username: form.username, email: normalizeEmail(form.email), password: normalizePassword(form.password) }
}
