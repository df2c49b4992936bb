import type { CallContext } from '@bitka/mesh'
import type { UserContext } from '../context.ts'
import type { Profile } from '../domain/profile.ts'
import { loadProfiles } from '../load-profiles.ts'
import { noSuchUser } from './access.ts'

/** @throws DomainError not_found */
export async function readProfile(ctx: UserContext, userId: string, call: CallContext): Promise<Profile> {
  const [profile] = await loadProfiles(ctx, [userId], call)
  if (!profile) throw noSuchUser()
  return profile
}
