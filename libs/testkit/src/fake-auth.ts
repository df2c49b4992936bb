import { DomainError, newId, silentLogger } from '@bitka/kernel'
import { createServer, implement, type Role, type ServicePolicy, serviceNames, WorkloadIdentity } from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { TestPlatform } from './platform.ts'
import { testTokens } from './tokens.ts'

export type FakeAuth = {
  port: number
  /** Makes a user that the directory knows. */
  addUser(username: string): { userId: string; username: string; email: string }
  /** An access token of a user. */
  token(userId: string, options?: { roles?: readonly Role[]; sessionId?: string; expiresInS?: number }): Promise<string>
  stop(): Promise<void>
}

const policy: ServicePolicy<typeof DirectoryService> = {
  resolveUsername: { kind: 'internal', callers: serviceNames },
  getUsers: { kind: 'internal', callers: serviceNames },
  listRevokedSessions: { kind: 'internal', callers: serviceNames },
  getKeys: { kind: 'internal', callers: serviceNames },
}

/** An auth service for other services' suites: the real mesh, directory and token signatures; no passwords, no sessions. */
export async function fakeAuth(platform: Pick<TestPlatform, 'ca' | 'at'>): Promise<FakeAuth> {
  const tokens = await testTokens()
  const users = new Map<string, { userId: string; username: string; email: string; createdAt: Date }>()
  const identity = WorkloadIdentity.connect({ socketPath: platform.ca.socketPath('auth'), log: silentLogger })
  const server = createServer({
    identity,
    log: silentLogger,
    port: 0,
    host: 'localhost',
    services: [
      implement(
        DirectoryService,
        {
          resolveUsername: async ({ username }) => {
            const wanted = username.toLowerCase()
            const user = [...users.values()].find((candidate) => candidate.username.toLowerCase() === wanted)
            if (!user) throw new DomainError('not_found', 'There is no such user.')
            return { userId: user.userId, username: user.username }
          },
          getUsers: async ({ userIds }) => ({
            users: userIds.flatMap((id) => {
              const { createdAt: _, ...user } = users.get(id) ?? {}
              return 'userId' in user ? [{ ...user, disabled: false }] : []
            }),
          }),
          listRevokedSessions: async () => ({ sessions: [] }),
          getKeys: async () => ({
            keys: tokens.jwks.keys.map(({ kty, n, e, kid }) => ({ kty, n, e, kid, use: 'sig', alg: 'RS256' })),
          }),
        },
        policy,
      ),
    ],
  })
  await server.start()
  platform.at('auth', server.port)
  return {
    port: server.port,
    addUser: (username) => {
      const user = { userId: newId(), username, email: `${username.toLowerCase()}@example.com`, createdAt: new Date() }
      users.set(user.userId, user)
      return user
    },
    token: (userId, options = {}) => tokens.issue({ userId, ...options }),
    stop: async () => {
      await server.drain(1_000)
      identity.close()
    },
  }
}
