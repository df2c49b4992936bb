import type { MethodImpl } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'

/** The public keys, for the services. */
export const getKeys =
  ({ keys }: AuthContext): MethodImpl<typeof DirectoryService.method.getKeys> =>
  async () => ({ keys: keys.publicKeys() })
