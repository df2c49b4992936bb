import { breaks, type Tx } from '@bitka/store'
import { and, arrayContains, asc, count, desc, eq, inArray, isNull, like, or, type SQL } from 'drizzle-orm'
import { type TakenFields, takenError } from '../domain/registration.ts'
import type { RoleName } from '../domain/roles.ts'
import { usernameKey } from '../domain/username.ts'
import { type Orm, users } from './tables.ts'

const fields = {
  id: users.id,
  username: users.username,
  email: users.email,
  passwordHash: users.passwordHash,
  roles: users.roles,
  disabledAt: users.disabledAt,
  createdAt: users.createdAt,
}

type UserRow = Pick<typeof users.$inferSelect, keyof typeof fields>
export type User = Omit<UserRow, 'disabledAt'> & { disabled: boolean }

const toUser = ({ disabledAt, ...row }: UserRow): User => ({ ...row, disabled: disabledAt !== null })

async function findOne({ orm }: Orm, which: SQL): Promise<User | undefined> {
  const [row] = await orm.select(fields).from(users).where(which)
  return row && toUser(row)
}

export const findById = (db: Orm, id: string): Promise<User | undefined> => findOne(db, eq(users.id, id))

export const findByUsername = (db: Orm, username: string): Promise<User | undefined> =>
  findOne(db, eq(users.usernameKey, usernameKey(username)))

export const findByEmail = (db: Orm, email: string): Promise<User | undefined> => findOne(db, eq(users.email, email))

/** Taken first by everything that opens or ends sessions, so that a session cannot slip past a change of password or roles. */
export async function lockById({ orm }: Tx, id: string): Promise<User | undefined> {
  const [row] = await orm.select(fields).from(users).where(eq(users.id, id)).for('no key update')
  return row && toUser(row)
}

export async function findMany({ orm }: Orm, ids: readonly string[]): Promise<User[]> {
  const rows = await orm
    .select(fields)
    .from(users)
    .where(inArray(users.id, [...ids]))
    .orderBy(asc(users.id))
  return rows.map(toUser)
}

const isAdmin = arrayContains(users.roles, ['admin'])

/** Locks every enabled admin, in one order, and answers their ids: two admins cannot unmake each other at once. */
export async function lockAdmins({ orm }: Tx): Promise<string[]> {
  const rows = await orm
    .select({ id: users.id })
    .from(users)
    .where(and(isAdmin, isNull(users.disabledAt)))
    .orderBy(asc(users.id))
    .for('no key update')
  return rows.map(({ id }) => id)
}

/** One replica at a time makes the first admin. */
export async function lockFirstAdmin(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('bitka.auth.first_admin', 0))`)
}

export async function hasAdmin({ orm }: Orm): Promise<boolean> {
  return (await orm.select({ id: users.id }).from(users).where(isAdmin).limit(1)).length === 1
}

export async function findTaken({ orm }: Orm, username: string, email: string): Promise<TakenFields> {
  const key = usernameKey(username)
  const rows = await orm
    .select({ key: users.usernameKey, email: users.email })
    .from(users)
    .where(or(eq(users.usernameKey, key), eq(users.email, email)))
  return { username: rows.some((row) => row.key === key), email: rows.some((row) => row.email === email) }
}

export type NewUser = Omit<User, 'disabled'>

/** Two registrations can both have found a name free; the constraint decides who gets it. */
export async function insert(tx: Tx, user: NewUser): Promise<void> {
  try {
    await tx.orm
      .insert(users)
      .values({ ...user, usernameKey: usernameKey(user.username), passwordChangedAt: user.createdAt })
  } catch (error) {
    if (breaks(error, 'users_username_key')) throw takenError({ username: true, email: false })
    if (breaks(error, 'users_email_key')) throw takenError({ username: false, email: true })
    throw error
  }
}

async function update(tx: Tx, id: string, change: Partial<typeof users.$inferInsert>): Promise<void> {
  await tx.orm.update(users).set(change).where(eq(users.id, id))
}

/** The same password hashed anew with today's parameters. */
export const setPasswordHash = (tx: Tx, id: string, passwordHash: string): Promise<void> =>
  update(tx, id, { passwordHash })

export const changePassword = (tx: Tx, id: string, passwordHash: string, now: Date): Promise<void> =>
  update(tx, id, { passwordHash, passwordChangedAt: now })

export const setRoles = (tx: Tx, id: string, roles: readonly RoleName[]): Promise<void> =>
  update(tx, id, { roles: [...roles] })

export const setDisabled = (tx: Tx, id: string, disabledAt: Date | null): Promise<void> =>
  update(tx, id, { disabledAt })

export type UserFilter = { prefix?: string; role?: RoleName; limit: number; offset: number }

const startsWith = (prefix: string): SQL | undefined => {
  const pattern = `${prefix.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  return or(like(users.usernameKey, pattern), like(users.email, pattern))
}

/** A page of users, newest first (ids rise with time), and how many there are in all. */
export async function list(
  { orm }: Orm,
  { prefix, role, limit, offset }: UserFilter,
): Promise<{ users: User[]; total: number }> {
  // Only what was asked for: an "or $1 is null" would keep the planner from the indexes.
  const where = and(
    prefix === undefined ? undefined : startsWith(prefix),
    role === undefined ? undefined : arrayContains(users.roles, [role]),
  )
  const rows = await orm.select(fields).from(users).where(where).orderBy(desc(users.id)).limit(limit).offset(offset)
  const [row] = await orm.select({ total: count() }).from(users).where(where)
  return { users: rows.map(toUser), total: row?.total ?? 0 }
}
