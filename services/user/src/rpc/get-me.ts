import { type MethodImpl, userOf } from '@bitka/mesh'
import type { UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { UserContext } from '../context.ts'
import { encodeProfile } from './encode.ts'
import { readProfile } from './read-profile.ts'

/** Reads the caller's profile. */
export const getMe =
  (ctx: UserContext): MethodImpl<typeof UserService.method.getMe> =>
  async (_request, call) => ({ profile: encodeProfile(await readProfile(ctx, userOf(call).userId, call)) })
