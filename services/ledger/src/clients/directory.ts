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
