import { invalidField, isUuid } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { AuthContext } from '../context.ts'
import * as users from '../store/users.ts'

const IDS_MAX = 100

/** Names and mail addresses of those of the users that exist. */
export const getUsers =
  ({ db }: AuthContext): MethodImpl<typeof DirectoryService.method.getUsers> =>
  async ({ userIds }) => {
    if (userIds.length > IDS_MAX) throw invalidField('user_ids', `must be at most ${IDS_MAX}`)
    const found = await users.findMany(db, userIds.filter(isUuid))
    return {
      users: found.map(({ id, username, email, disabled, createdAt }) => ({
        userId: id,
        username,
        email,
        disabled,
        createdAt: timestampFromDate(createdAt),
      })),
    }
  }
