import { invalidField, isUuid } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { ContactService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { UserContext } from '../context.ts'
import { loadProfiles } from '../load-profiles.ts'

const IDS_MAX = 100

/** Where and in which language to write to those of the users that exist. */
export const getContacts =
  (ctx: UserContext): MethodImpl<typeof ContactService.method.getContacts> =>
  async ({ userIds }, call) => {
    if (userIds.length > IDS_MAX) throw invalidField('user_ids', `must be at most ${IDS_MAX}`)
    const ids = new Set(userIds.filter(isUuid).map((id) => id.toLowerCase()))
    const found = await loadProfiles(ctx, [...ids], call)
    return {
      contacts: found.map(({ userId, email, username, fullName, locale }) => ({
        userId,
        email,
        username,
        fullName: fullName ?? '',
        locale,
      })),
    }
  }
