import { DomainError, invalidField, isUuid } from '@bitka/kernel'
import { Role, type UserSchema } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import { type RoleName, roleNames } from '../domain/roles.ts'
import type { User } from '../store/users.ts'

const wireRoles: Record<RoleName, Role> = {
  user: Role.USER,
  support: Role.SUPPORT,
  compliance: Role.COMPLIANCE,
  treasury: Role.TREASURY,
  operator: Role.OPERATOR,
  admin: Role.ADMIN,
  auditor: Role.AUDITOR,
}

/** @throws DomainError invalid, naming the field */
export function decodeRole(role: Role, field: string): RoleName {
  const name = roleNames.find((candidate) => wireRoles[candidate] === role)
  if (name === undefined) throw invalidField(field, 'is not a role')
  return name
}

export const encodeUser = (user: User): MessageInitShape<typeof UserSchema> => ({
  id: user.id,
  username: user.username,
  email: user.email,
  roles: user.roles.map((role) => wireRoles[role]),
  disabled: user.disabled,
  createdAt: timestampFromDate(user.createdAt),
})

export const noSuchUser = (): DomainError => new DomainError('not_found', 'There is no such user.')

/** The id of a user in a path; a malformed one names nobody. */
export function userIdOf(text: string): string {
  if (!isUuid(text)) throw noSuchUser()
  return text.toLowerCase()
}
