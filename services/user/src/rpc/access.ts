import { DomainError, isUuid } from '@bitka/kernel'
import { type CallContext, userOf } from '@bitka/mesh'

export const noSuchUser = (): DomainError => new DomainError('not_found', 'There is no such user.')

/** The profile that a call is about: the caller's own, or anybody's for operators. A foreign one is as if it did not exist. */
export function targetOf(userId: string, call: CallContext): { userId: string; isOwn: boolean } {
  const caller = userOf(call)
  const id = userId.toLowerCase()
  const isOwn = id === caller.userId
  const isOperator = caller.roles.some((role) => role === 'operator' || role === 'admin')
  if (!isUuid(id) || (!isOwn && !isOperator)) throw noSuchUser()
  return { userId: id, isOwn }
}
