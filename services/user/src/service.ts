import { implement } from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { ContactService, UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import { defineService } from '@bitka/service'
import { findPeople } from './clients/directory.ts'
import { userSchema } from './config.ts'
import type { UserContext } from './context.ts'
import { contactPolicy, userPolicy } from './policy.ts'
import { contactRpcs, userRpcs } from './rpc/index.ts'

/** People's profiles. */
export const startUser = defineService({
  name: 'user',
  schema: userSchema,
  build: async ({ db, clock, log, audit, client }) => {
    const directory = client(DirectoryService, 'auth', { idempotent: ['getUsers'] })
    const context: UserContext = { db, clock, log, audit, findPeople: findPeople(directory) }
    return {
      rpcs: [
        implement(UserService, userRpcs(context), userPolicy),
        implement(ContactService, contactRpcs(context), contactPolicy),
      ],
    }
  },
})
