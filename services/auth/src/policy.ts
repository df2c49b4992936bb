import { type Role, type ServicePolicy, serviceNames } from '@bitka/mesh'
import type { AuthService, DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'

const operators: readonly Role[] = ['operator', 'admin']

/** Who may call what of AuthService. */
export const authPolicy: ServicePolicy<typeof AuthService> = {
  register: { kind: 'anonymous' },
  login: { kind: 'anonymous' },
  verifyMfa: { kind: 'anonymous' },
  refresh: { kind: 'anonymous' },
  logout: { kind: 'user' },
  changePassword: { kind: 'user' },
  getJwks: { kind: 'anonymous' },
  listUsers: { kind: 'user', roles: operators },
  setRoles: { kind: 'user', roles: ['admin'] },
  disableUser: { kind: 'user', roles: operators },
  enableUser: { kind: 'user', roles: operators },
}

/** Who may call what of DirectoryService. Names and mail addresses go to the one service that needs each. */
export const directoryPolicy: ServicePolicy<typeof DirectoryService> = {
  resolveUsername: { kind: 'internal', callers: ['ledger'] },
  getUsers: { kind: 'internal', callers: ['user', 'ledger'] },
  listRevokedSessions: { kind: 'internal', callers: serviceNames },
  getKeys: { kind: 'internal', callers: serviceNames },
}
