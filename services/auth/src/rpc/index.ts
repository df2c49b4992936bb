import type { ServiceImpl } from '@bitka/mesh'
import type { AuthService, DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'
import { changePassword } from './change-password.ts'
import { disableUser } from './disable-user.ts'
import { enableUser } from './enable-user.ts'
import { getJwks } from './get-jwks.ts'
import { getKeys } from './get-keys.ts'
import { getUsers } from './get-users.ts'
import { listRevokedSessions } from './list-revoked-sessions.ts'
import { listUsers } from './list-users.ts'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { refresh } from './refresh.ts'
import { register } from './register.ts'
import { resolveUsername } from './resolve-username.ts'
import { setRoles } from './set-roles.ts'
import { verifyMfa } from './verify-mfa.ts'

/** What people do to sign in, and operators with users; one file each. */
export const authRpcs = (ctx: AuthContext): ServiceImpl<typeof AuthService> => ({
  register: register(ctx),
  login: login(ctx),
  verifyMfa: verifyMfa(),
  refresh: refresh(ctx),
  logout: logout(ctx),
  changePassword: changePassword(ctx),
  getJwks: getJwks(ctx),
  listUsers: listUsers(ctx),
  setRoles: setRoles(ctx),
  disableUser: disableUser(ctx),
  enableUser: enableUser(ctx),
})

/** What other services ask about people. */
export const directoryRpcs = (ctx: AuthContext): ServiceImpl<typeof DirectoryService> => ({
  resolveUsername: resolveUsername(ctx),
  getUsers: getUsers(ctx),
  listRevokedSessions: listRevokedSessions(ctx),
  getKeys: getKeys(ctx),
})
