import { bytea, type Tx } from '@bitka/store'
import { integer, jsonb, pgTable, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import type { PublicJwk } from '../crypto/signing-key-pair.ts'
import type { RoleName } from '../domain/roles.ts'
import type { EndReason } from '../domain/session.ts'

/** The pool or a transaction. */
export type Orm = Pick<Tx, 'orm'>

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const users = pgTable('users', {
  id: uuid('id').primaryKey(),
  username: text('username').notNull(),
  usernameKey: text('username_key').notNull(),
  email: text('email').notNull(),
  passwordHash: text('password_hash').notNull(),
  roles: text('roles').array().$type<RoleName[]>().notNull(),
  disabledAt: time('disabled_at'),
  createdAt: time('created_at').notNull(),
  passwordChangedAt: time('password_changed_at').notNull(),
})

export const sessions = pgTable('sessions', {
  id: uuid('id').primaryKey(),
  userId: uuid('user_id').notNull(),
  address: text('address').notNull(),
  userAgent: text('user_agent').notNull(),
  createdAt: time('created_at').notNull(),
  tokensExpireAt: time('tokens_expire_at').notNull(),
  expiresAt: time('expires_at').notNull(),
  endedAt: time('ended_at'),
  endReason: text('end_reason').$type<EndReason>(),
})

export const refreshTokens = pgTable('refresh_tokens', {
  hash: bytea('hash').primaryKey(),
  sessionId: uuid('session_id').notNull(),
  expiresAt: time('expires_at').notNull(),
  spentAt: time('spent_at'),
})

export const devices = pgTable(
  'devices',
  {
    userId: uuid('user_id').notNull(),
    address: text('address').notNull(),
    agentHash: bytea('agent_hash').notNull(),
    firstSeenAt: time('first_seen_at').notNull(),
  },
  ({ userId, address, agentHash }) => [primaryKey({ columns: [userId, address, agentHash] })],
)

export const signInFailures = pgTable(
  'sign_in_failures',
  {
    account: bytea('account').notNull(),
    network: text('network').notNull(),
    failures: integer('failures').notNull(),
    lastAt: time('last_at').notNull(),
  },
  ({ account, network }) => [primaryKey({ columns: [account, network] })],
)

export const signingKeys = pgTable('signing_keys', {
  kid: text('kid').primaryKey(),
  publicJwk: jsonb('public_jwk').$type<PublicJwk>().notNull(),
  privateKey: bytea('private_key').notNull(),
  kekId: text('kek_id').notNull(),
  createdAt: time('created_at').notNull(),
  activatedAt: time('activated_at'),
  retiredAt: time('retired_at'),
})
