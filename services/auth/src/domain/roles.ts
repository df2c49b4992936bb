import { DomainError } from '@bitka/kernel'

/** What a user may do, in the words of tokens and of the database, from everybody to the rarest. */
export const roleNames = ['user', 'support', 'compliance', 'treasury', 'operator', 'admin', 'auditor'] as const
export type RoleName = (typeof roleNames)[number]

/** One of each, in the order of roleNames; user is always among them. */
export const normalizeRoles = (roles: readonly RoleName[]): RoleName[] =>
  roleNames.filter((role) => role === 'user' || roles.includes(role))

export const sameRoles = (a: readonly RoleName[], b: readonly RoleName[]): boolean =>
  normalizeRoles(a).join() === normalizeRoles(b).join()

/** A user as far as changes of their powers go. */
export type Holder = { id: string; roles: readonly RoleName[]; disabled: boolean }

/**
 * Refuses a change of roles that must not be. `admins` are the enabled admins, all locked.
 * @throws DomainError forbidden for one's own roles, conflict for the last admin
 */
export function checkRoleChange(
  actorId: string,
  target: Holder,
  roles: readonly RoleName[],
  admins: readonly string[],
): void {
  if (actorId === target.id) throw new DomainError('forbidden', 'Nobody changes their own roles.')
  if (!roles.includes('admin')) refuseWithoutAdmin(target, admins)
}

/** As checkRoleChange, for refusing a user's sign-ins. */
export function checkDisable(actorId: string, target: Holder, admins: readonly string[]): void {
  if (actorId === target.id) throw new DomainError('forbidden', 'Nobody disables themselves.')
  refuseWithoutAdmin(target, admins)
}

function refuseWithoutAdmin(target: Holder, admins: readonly string[]): void {
  if (admins.length > 0 && admins.every((id) => id === target.id)) {
    throw new DomainError('conflict', 'This is the last admin. Make another user an admin first.')
  }
}
