import { DomainError } from '@bitka/kernel'
import type { Client, OutgoingContext } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'

/** The user of a username; undefined when there is none who could receive money. */
export type FindRecipient = (username: string, ctx: OutgoingContext) => Promise<string | undefined>

export const findRecipient =
  (directory: Pick<Client<typeof DirectoryService>, 'resolveUsername'>): FindRecipient =>
  async (username, ctx) => {
    try {
      const { userId } = await directory.resolveUsername({ username }, { ctx })
      return userId.toLowerCase()
    } catch (error) {
      if (error instanceof DomainError && (error.kind === 'not_found' || error.kind === 'invalid')) return undefined
      throw error
    }
  }

/** Whether a user has this id, disabled or not. */
export type IsUser = (userId: string, ctx: OutgoingContext) => Promise<boolean>

export const isUser =
  (directory: Pick<Client<typeof DirectoryService>, 'getUsers'>): IsUser =>
  async (userId, ctx) => {
    const { users } = await directory.getUsers({ userIds: [userId] }, { ctx })
    return users.length > 0
  }
