import type { Session } from '../http/session.ts'
import type { CallOptions, Transport } from '../http/transport.ts'
import type {
  Credentials,
  Jwks,
  MfaBody,
  PasswordChange,
  Profile,
  ProfileChanged,
  ProfileChanges,
  RegisterBody,
  Registered,
  TokenPair,
} from '../types/identity.ts'

/** Sign-in and out. `login` and `verifyMfa` keep the tokens; the client renews them by itself. */
export const authApi = (transport: Transport, session: () => Session) => ({
  /** Not repeated after a lost answer: the second try would find its own user. */
  register: (body: RegisterBody, options?: CallOptions): Promise<Registered> =>
    transport.send({ method: 'POST', path: '/v1/auth/register', body, anonymous: true, options }),

  /** @throws BitkaApiError MFA_REQUIRED with `details.mfa_token`, to go on with verifyMfa */
  login: async (body: Credentials, options?: CallOptions): Promise<TokenPair> => {
    const pair = await signIn(transport, body, options)
    await session().set(pair)
    return pair
  },

  verifyMfa: async (body: MfaBody, options?: CallOptions): Promise<TokenPair> => {
    const path = '/v1/auth/mfa/verify'
    const pair = await transport.send<TokenPair>({ method: 'POST', path, body, anonymous: true, options })
    await session().set(pair)
    return pair
  },

  /** Ends the session here and on the server. */
  logout: async (options?: CallOptions): Promise<void> => {
    await transport.send<null>({ method: 'POST', path: '/v1/auth/logout', repeatable: true, options })
    await session().set(undefined)
  },

  /** The keys that access tokens are signed with. */
  jwks: (options?: CallOptions): Promise<Jwks> =>
    transport.send({ method: 'GET', path: '/v1/.well-known/jwks.json', anonymous: true, bare: true, options }),
})

/** Another session does no harm, so a sign-in may be tried again. */
export const signIn = (transport: Transport, body: Credentials, options?: CallOptions): Promise<TokenPair> =>
  transport.send({ method: 'POST', path: '/v1/auth/login', body, anonymous: true, repeatable: true, options })

/** Never repeated once it may have begun: using a spent refresh token ends the whole session. */
export const refreshTokens = (transport: Transport, refreshToken: string): Promise<TokenPair> =>
  transport.send({
    method: 'POST',
    path: '/v1/auth/refresh',
    body: { refresh_token: refreshToken },
    anonymous: true,
  })

/** Profiles. */
export const usersApi = (transport: Transport) => ({
  me: (options?: CallOptions): Promise<Profile> => transport.send({ method: 'GET', path: '/v1/users/me', options }),

  updateMe: (body: ProfileChanges, options?: CallOptions): Promise<ProfileChanged> =>
    transport.send({ method: 'PATCH', path: '/v1/users/me', body, repeatable: true, options }),

  /** One's own, or anybody's for operators. */
  get: (userId: string, options?: CallOptions): Promise<Profile> =>
    transport.send({ method: 'GET', path: `/v1/users/${encodeURIComponent(userId)}`, options }),

  update: (userId: string, body: ProfileChanges, options?: CallOptions): Promise<ProfileChanged> =>
    transport.send({
      method: 'PATCH',
      path: `/v1/users/${encodeURIComponent(userId)}`,
      body,
      repeatable: true,
      options,
    }),

  /** Ends every other session of the user. */
  changePassword: (body: PasswordChange, options?: CallOptions): Promise<null> =>
    transport.send({ method: 'POST', path: '/v1/users/me/change-password', body, keyed: true, options }),
})
