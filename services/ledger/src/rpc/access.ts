import { DomainError, isUuid } from '@bitka/kernel'
import { type CallContext, type Role, userOf } from '@bitka/mesh'
import { readers } from '../policy.ts'

export const hasRole = (ctx: CallContext, allowed: readonly Role[]): boolean =>
  userOf(ctx).roles.some((role) => allowed.includes(role))

/** True when the caller may see what belongs to this user. */
export const maySee = (ctx: CallContext, ownerId: string): boolean =>
  userOf(ctx).userId === ownerId || hasRole(ctx, readers)

/**
 * Whose things a list is about: the caller's own, or for those who may look at others', the named user's. Undefined when
 * the name is no user's id: nothing is theirs.
 */
export function listOwner(ctx: CallContext, named: string | undefined): string | undefined {
  const own = userOf(ctx).userId
  if (named === undefined || named.toLowerCase() === own) return own
  if (!hasRole(ctx, readers)) throw new DomainError('forbidden', 'Only operators may look at somebody else’s accounts.')
  return isUuid(named) ? named.toLowerCase() : undefined
}

export const noSuchAccount = (): DomainError => new DomainError('not_found', 'There is no such account.')
export const noSuchTransaction = (): DomainError => new DomainError('not_found', 'There is no such transaction.')
export const noSuchAsset = (): DomainError => new DomainError('not_found', 'There is no such asset.')
