import type { CallContext } from '@bitka/mesh'
import type { UserContext } from '../context.ts'
import { type ChangeRequest, checkChange } from '../domain/check-change.ts'
import { applyChange, type Profile } from '../domain/profile.ts'
import * as profiles from '../store/profiles.ts'
import { noSuchUser } from './access.ts'
import { readProfile } from './read-profile.ts'

/** Changes a profile and says so in the audit log: which fields, never what they hold. */
export async function changeProfile(
  ctx: UserContext,
  target: { userId: string; isOwn: boolean },
  request: ChangeRequest,
  call: CallContext,
): Promise<Profile> {
  const { userId, isOwn } = target
  // Who it is comes before what is asked: a foreign or unknown id is refused whatever the fields hold.
  await readProfile(ctx, userId, call)
  const change = checkChange(request)
  return ctx.db.transaction(async (tx) => {
    const current = await profiles.lock(tx, userId)
    if (!current) throw noSuchUser()
    const { profile, changed } = applyChange(current, change, ctx.clock.now())
    if (changed.length === 0) return profile
    await profiles.update(tx, profile)
    await ctx.audit(tx, {
      action: isOwn ? 'user.update' : 'admin.user.update',
      outcome: 'succeeded',
      target: { type: 'user', id: userId },
      ctx: call,
      details: { fields: changed.join(' ') },
    })
    return profile
  })
}
