import type { ServicePolicy } from '@bitka/mesh'
import type { ContactService, UserService } from '@bitka/proto/bitka/user/v1/user_pb'

/** Who may call what of UserService. Whose profile it is decides each RPC. */
export const userPolicy: ServicePolicy<typeof UserService> = {
  getMe: { kind: 'user' },
  updateMe: { kind: 'user' },
  getUser: { kind: 'user' },
  updateUser: { kind: 'user' },
}

/** Who may call what of ContactService. */
export const contactPolicy: ServicePolicy<typeof ContactService> = {
  getContacts: { kind: 'internal', callers: ['notification'] },
}
