import type { ServiceImpl } from '@bitka/mesh'
import type { ContactService, UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { UserContext } from '../context.ts'
import { getContacts } from './get-contacts.ts'
import { getMe } from './get-me.ts'
import { getUser } from './get-user.ts'
import { updateMe } from './update-me.ts'
import { updateUser } from './update-user.ts'

/** What people do with their profile, and operators with anybody's; one file each. */
export const userRpcs = (ctx: UserContext): ServiceImpl<typeof UserService> => ({
  getMe: getMe(ctx),
  updateMe: updateMe(ctx),
  getUser: getUser(ctx),
  updateUser: updateUser(ctx),
})

/** What other services ask about reaching people. */
export const contactRpcs = (ctx: UserContext): ServiceImpl<typeof ContactService> => ({
  getContacts: getContacts(ctx),
})
