import type { MethodImpl } from '@bitka/mesh'
import type { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'

/** The public keys, for whoever wants to check a token. */
export const getJwks =
  ({ keys }: AuthContext): MethodImpl<typeof AuthService.method.getJwks> =>
  async () => ({ keys: keys.publicKeys() })
