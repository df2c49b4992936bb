import type { MethodImpl } from '@bitka/mesh'
import type { UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { UserContext } from '../context.ts'
import { targetOf } from './access.ts'
import { encodeProfile } from './encode.ts'
import { readProfile } from './read-profile.ts'

/** Reads the caller's own profile, or anybody's for operators. */
export const getUser =
  (ctx: UserContext): MethodImpl<typeof UserService.method.getUser> =>
  async (request, call) => {
    const { userId } = targetOf(request.userId, call)
    return { profile: encodeProfile(await readProfile(ctx, userId, call)) }
  }
