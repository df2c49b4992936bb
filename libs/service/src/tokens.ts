import { type Tail, tail } from '@bitka/events'
import { createTokenVerifier, RevocationList, type VerifyToken } from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { SessionRevokedSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import { fromBinary } from '@bufbuild/protobuf'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import type { JSONWebKeySet } from 'jose'
import type { ServiceContext } from './types.ts'

type TokensOptions = {
  context: ServiceContext
  /** The keys; default: fetched from auth and cached. */
  jwks?: () => Promise<JSONWebKeySet>
}

/** Checks people's access tokens in this service: auth's keys, and the sessions that ended early. */
export async function startTokens({
  context,
  jwks,
}: TokensOptions): Promise<{ verify: VerifyToken; stop(): Promise<void> }> {
  const { eventLog, log, clock, profile } = context
  const revoked = new RevocationList(clock)
  const following: Tail = await tail(eventLog, 'identity.session.revoked', {
    from: 'start',
    logger: log,
    onRecord: (record) => {
      const event = fromBinary(SessionRevokedSchema, record.value)
      if (event.tokensExpireAt) revoked.revoke(event.sessionId, timestampMs(event.tokensExpireAt))
    },
  })
  const verify = createTokenVerifier({
    jwks: jwks ?? keysFromAuth(context),
    isRevoked: (sessionId) => revoked.isRevoked(sessionId),
    clock,
  })
  return {
    // Second factors do not exist yet, and production gives no power to a role without one (rest-api.md, profiles).
    verify: profile === 'production' ? withoutPrivileges(verify) : verify,
    stop: () => following.stop(),
  }
}

const withoutPrivileges =
  (verify: VerifyToken): VerifyToken =>
  async (token) => {
    const identity = await verify(token)
    return { ...identity, roles: identity.roles.filter((role) => role === 'user') }
  }

function keysFromAuth(context: ServiceContext): () => Promise<JSONWebKeySet> {
  const directory = context.client(DirectoryService, 'auth', { idempotent: ['getKeys'] })
  return async () => {
    const { keys } = await directory.getKeys({}, { deadlineMs: 3_000 })
    return { keys: keys.map(({ kty, use, alg, kid, n, e }) => ({ kty, use, alg, kid, n, e })) }
  }
}
