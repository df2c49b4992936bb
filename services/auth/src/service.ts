import { implement } from '@bitka/mesh'
import { AuthService, DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { defineService } from '@bitka/service'
import { buildContext } from './build-context.ts'
import { authSchema } from './config.ts'
import { authPolicy, directoryPolicy } from './policy.ts'
import { authRpcs, directoryRpcs } from './rpc/index.ts'

/** Identity: credentials, sessions, tokens, keys and roles. */
export const startAuth = defineService({
  name: 'auth',
  schema: authSchema,
  build: async (service) => {
    const { context, loops } = await buildContext(service)
    return {
      rpcs: [
        implement(AuthService, authRpcs(context), authPolicy),
        implement(DirectoryService, directoryRpcs(context), directoryPolicy),
      ],
      loops,
      // Its own tokens are checked with the keys it holds, not by calling itself.
      jwks: async () => ({ keys: context.keys.publicKeys() }),
    }
  },
})
