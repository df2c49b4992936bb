import { assert } from '@bitka/kernel'
import type { Client, OutgoingContext } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { timestampDate } from '@bufbuild/protobuf/wkt'
import type { Person } from '../store/profiles.ts'

/** Asks auth who these people are; answers those that exist. */
export type FindPeople = (userIds: readonly string[], call: OutgoingContext) => Promise<Person[]>

export const findPeople =
  (directory: Pick<Client<typeof DirectoryService>, 'getUsers'>): FindPeople =>
  async (userIds, ctx) => {
    const { users } = await directory.getUsers({ userIds: [...userIds] }, { ctx })
    return users.map(({ userId, username, email, createdAt }) => {
      assert(createdAt, 'auth says when a user registered')
      return { userId, username, email, registeredAt: timestampDate(createdAt) }
    })
  }
