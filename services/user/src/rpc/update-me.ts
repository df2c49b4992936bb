import { type MethodImpl, userOf } from '@bitka/mesh'
import type { UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { UserContext } from '../context.ts'
import { changeProfile } from './change-profile.ts'
import { encodeProfile } from './encode.ts'

/** Changes the caller's profile. */
export const updateMe =
  (ctx: UserContext): MethodImpl<typeof UserService.method.updateMe> =>
  async (request, call) => {
    const target = { userId: userOf(call).userId, isOwn: true }
    return {
      message: 'Your profile is up to date.',
      profile: encodeProfile(await changeProfile(ctx, target, request, call)),
    }
  }
