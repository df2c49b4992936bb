import type { MethodImpl } from '@bitka/mesh'
import type { UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { UserContext } from '../context.ts'
import { targetOf } from './access.ts'
import { changeProfile } from './change-profile.ts'
import { encodeProfile } from './encode.ts'

/** Changes the caller's own profile, or anybody's for operators. */
export const updateUser =
  (ctx: UserContext): MethodImpl<typeof UserService.method.updateUser> =>
  async (request, call) => {
    const target = targetOf(request.userId, call)
    return {
      message: 'The profile is up to date.',
      profile: encodeProfile(await changeProfile(ctx, target, request, call)),
    }
  }
