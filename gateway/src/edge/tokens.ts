import { type Clock, type Logger, Loop } from '@bitka/kernel'
import { type Client, createTokenVerifier, RevocationList, type UserIdentity, type VerifyToken } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { timestampMs } from '@bufbuild/protobuf/wkt'

/** Sign-outs reach the gateway within this; the services hear of them by the event log and check again themselves. */
const POLL_MS = 1_000
const CALL_TIMEOUT_MS = 3_000

export type Tokens = {
  verify: VerifyToken
  isRevoked: (user: UserIdentity) => boolean
  stop(): Promise<void>
}

/** Checks access tokens with auth's keys and the list of sessions that ended early. */
export function startTokens(directory: Client<typeof DirectoryService>, clock: Clock, log: Logger): Tokens {
  const revoked = new RevocationList(clock)
  const verify = createTokenVerifier({
    jwks: async () => {
      const { keys } = await directory.getKeys({}, { deadlineMs: CALL_TIMEOUT_MS })
      return { keys: keys.map(({ kty, use, alg, kid, n, e }) => ({ kty, use, alg, kid, n, e })) }
    },
    isRevoked: (sessionId) => revoked.isRevoked(sessionId),
    clock,
  })
  let reachable = true
  const poll = new Loop({ name: 'gateway.revocations', intervalMs: POLL_MS, log }, async (signal) => {
    try {
      const { sessions } = await directory.listRevokedSessions({}, { deadlineMs: CALL_TIMEOUT_MS, signal })
      for (const { sessionId, tokensExpireAt } of sessions) {
        if (tokensExpireAt) revoked.revoke(sessionId, timestampMs(tokensExpireAt))
      }
      reachable = true
    } catch (error) {
      // Once, not each second; readiness says it all the time.
      if (reachable && !signal.aborted) log.warn({ err: error }, 'ended sessions cannot be fetched')
      reachable = false
    }
  })
  return { verify, isRevoked: ({ sessionId }) => revoked.isRevoked(sessionId), stop: () => poll.stop() }
}
