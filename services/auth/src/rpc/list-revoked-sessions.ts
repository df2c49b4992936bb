import type { MethodImpl } from '@bitka/mesh'
import type { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { AuthContext } from '../context.ts'
import * as sessions from '../store/sessions.ts'

/** Sessions that ended early, for a service that has no event log to learn of them. */
export const listRevokedSessions =
  ({ db, clock }: AuthContext): MethodImpl<typeof DirectoryService.method.listRevokedSessions> =>
  async () => {
    const revoked = await sessions.listRevoked(db, clock.now())
    return {
      sessions: revoked.map(({ id, tokensExpireAt }) => ({
        sessionId: id,
        tokensExpireAt: timestampFromDate(tokensExpireAt),
      })),
    }
  }
