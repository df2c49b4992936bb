import type { MethodImpl } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'
import { usernameProblem } from '../domain/username.ts'
import * as users from '../store/users.ts'
import { noSuchUser } from './encode.ts'

/** Finds the user of a username, for a transfer to them. Nobody can be paid who is disabled. */
export const resolveUsername =
  ({ db }: AuthContext): MethodImpl<typeof DirectoryService.method.resolveUsername> =>
  async ({ username }) => {
    const user = usernameProblem(username) === undefined ? await users.findByUsername(db, username) : undefined
    if (!user || user.disabled) throw noSuchUser()
    return { userId: user.id, username: user.username }
  }
