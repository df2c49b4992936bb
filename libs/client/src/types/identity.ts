import type { PageQuery, Time } from './common.ts'

export type Role = 'user' | 'support' | 'compliance' | 'treasury' | 'operator' | 'admin' | 'auditor'

/** What a sign-in gives: a JWT for 15 minutes, and an opaque token that is good for one refresh within 7 days. */
export type TokenPair = { access_token: string; refresh_token: string }

export type RegisterBody = { username: string; email: string; password: string }
export type Registered = { user_id: string }
/** `identifier` is the email or the username. */
export type Credentials = { identifier: string; password: string }
export type MfaBody = {
  mfa_token: string
  method: 'totp' | 'recovery_code' | 'webauthn'
  code?: string
  assertion?: Record<string, unknown>
}

/** A public key of access tokens (RFC 7517). */
export type Jwk = { kty: string; use: string; alg: string; kid: string; n: string; e: string }
export type Jwks = { keys: Jwk[] }

export type Profile = {
  id: string
  email: string
  username: string
  full_name?: string
  avatar_url?: string
  locale: string
  kyc_level: number
  created_at: Time
  updated_at: Time
}
/** Absent fields stay; an empty string removes what was there. */
export type ProfileChanges = { full_name?: string; avatar_url?: string; locale?: 'en' | 'th' }
export type ProfileChanged = { message: string; profile: Profile }
export type PasswordChange = { current_password: string; new_password: string }

/** A user as operators see them. */
export type User = {
  id: string
  username: string
  email: string
  roles: Role[]
  disabled: boolean
  created_at: Time
}
export type UsersQuery = PageQuery & { query?: string; role?: Role }
