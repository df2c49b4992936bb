import { invalidField, isUuid } from '@bitka/kernel'
import type { MethodImpl, ServiceName } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { AuthContext } from '../context.ts'
import * as users from '../store/users.ts'

const IDS_MAX = 100

/** Who needs to know more of a user than that they exist. Every other caller is told ids. */
const toldWho: readonly ServiceName[] = ['user']

/** Those of the users that exist: to whom it concerns with names and mail addresses, else their ids alone. */
export const getUsers =
  ({ db }: AuthContext): MethodImpl<typeof DirectoryService.method.getUsers> =>
  async ({ userIds }, { caller }) => {
    if (userIds.length > IDS_MAX) throw invalidField('user_ids', `must be at most ${IDS_MAX}`)
    const found = await users.findMany(db, userIds.filter(isUuid))
    if (!toldWho.includes(caller)) return { users: found.map(({ id }) => ({ userId: id })) }
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
