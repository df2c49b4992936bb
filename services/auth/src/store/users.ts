import type { Queryable, Tx } from '@bitka/store'
import { breaks } from '@bitka/store'
import { type TakenFields, takenError } from '../domain/registration.ts'
import type { RoleName } from '../domain/roles.ts'
import { usernameKey } from '../domain/username.ts'

export type User = {
  id: string
  username: string
  email: string
  passwordHash: string
  roles: RoleName[]
  disabled: boolean
  createdAt: Date
}

type UserRow = {
  id: string
  username: string
  email: string
  password_hash: string
  roles: RoleName[]
  disabled_at: Date | null
  created_at: Date
}

const columns = 'id, username, email, password_hash, roles, disabled_at, created_at'

const toUser = (row: UserRow): User => ({
  id: row.id,
  username: row.username,
  email: row.email,
  passwordHash: row.password_hash,
  roles: row.roles,
  disabled: row.disabled_at !== null,
  createdAt: row.created_at,
})

async function one(db: Queryable, sql: string, params: unknown[]): Promise<User | undefined> {
  const [row] = (await db.query<UserRow>(sql, params)).rows
  return row && toUser(row)
}

export const findById = (db: Queryable, id: string): Promise<User | undefined> =>
  one(db, `select ${columns} from users where id = $1`, [id])

export const findByUsername = (db: Queryable, username: string): Promise<User | undefined> =>
  one(db, `select ${columns} from users where username_key = $1`, [usernameKey(username)])

export const findByEmail = (db: Queryable, email: string): Promise<User | undefined> =>
  one(db, `select ${columns} from users where email = $1`, [email])

/** Taken first by everything that opens or ends sessions, so that a session cannot slip past a change of password or roles. */
export const lockById = (tx: Tx, id: string): Promise<User | undefined> =>
  one(tx, `select ${columns} from users where id = $1 for no key update`, [id])

export async function findMany(db: Queryable, ids: readonly string[]): Promise<User[]> {
  const { rows } = await db.query<UserRow>(`select ${columns} from users where id = any($1::uuid[]) order by id`, [ids])
  return rows.map(toUser)
}

/** Locks every enabled admin, in one order, and answers their ids: two admins cannot unmake each other at once. */
export async function lockAdmins(tx: Tx): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `select id from users where roles @> '{admin}' and disabled_at is null order by id for no key update`,
  )
  return rows.map(({ id }) => id)
}

/** One replica at a time makes the first admin. */
export async function lockFirstAdmin(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('bitka.auth.first_admin', 0))`)
}

export async function hasAdmin(db: Queryable): Promise<boolean> {
  return (await db.query(`select 1 from users where roles @> '{admin}' limit 1`)).rowCount === 1
}

export async function findTaken(db: Queryable, username: string, email: string): Promise<TakenFields> {
  const { rows } = await db.query<{ username: boolean; email: boolean }>(
    `select exists (select 1 from users where username_key = $1) as username,
            exists (select 1 from users where email = $2) as email`,
    [usernameKey(username), email],
  )
  return rows[0] ?? { username: false, email: false }
}

export type NewUser = Pick<User, 'id' | 'username' | 'email' | 'passwordHash' | 'roles' | 'createdAt'>

/** Two registrations can both have found a name free; the constraint decides who gets it. */
export async function insert(tx: Tx, user: NewUser): Promise<void> {
  try {
    await tx.query(
      `insert into users (id, username, username_key, email, password_hash, roles, created_at, password_changed_at)
       values ($1, $2, $3, $4, $5, $6, $7, $7)`,
      [user.id, user.username, usernameKey(user.username), user.email, user.passwordHash, user.roles, user.createdAt],
    )
  } catch (error) {
    if (breaks(error, 'users_username_key')) throw takenError({ username: true, email: false })
    if (breaks(error, 'users_email_key')) throw takenError({ username: false, email: true })
    throw error
  }
}

/** The same password hashed anew with today's parameters. */
export async function setPasswordHash(tx: Tx, id: string, passwordHash: string): Promise<void> {
  await tx.query('update users set password_hash = $2 where id = $1', [id, passwordHash])
}

export async function changePassword(tx: Tx, id: string, passwordHash: string, now: Date): Promise<void> {
  await tx.query('update users set password_hash = $2, password_changed_at = $3 where id = $1', [id, passwordHash, now])
}

export async function setRoles(tx: Tx, id: string, roles: readonly RoleName[]): Promise<void> {
  await tx.query('update users set roles = $2 where id = $1', [id, roles])
}

export async function setDisabled(tx: Tx, id: string, disabledAt: Date | null): Promise<void> {
  await tx.query('update users set disabled_at = $2 where id = $1', [id, disabledAt])
}

export type UserFilter = { prefix?: string; role?: RoleName; limit: number; offset: number }

/** A page of users, newest first (ids rise with time), and how many there are in all. */
export async function list(
  db: Queryable,
  { prefix, role, limit, offset }: UserFilter,
): Promise<{ users: User[]; total: bigint }> {
  const params: unknown[] = []
  // Only what was asked for: an "or $1 is null" would keep the planner from the indexes.
  const conditions: string[] = []
  if (prefix !== undefined) {
    params.push(`${prefix.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`)
    conditions.push(`(username_key like $${params.length} or email like $${params.length})`)
  }
  if (role !== undefined) {
    params.push([role])
    conditions.push(`roles @> $${params.length}::text[]`)
  }
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
  const end = `order by id desc limit $${params.length + 1} offset $${params.length + 2}`
  const page = await db.query<UserRow>(`select ${columns} from users ${where} ${end}`, [...params, limit, offset])
  const count = await db.query<{ total: bigint }>(`select count(*) as total from users ${where}`, params)
  return { users: page.rows.map(toUser), total: count.rows[0]?.total ?? 0n }
}
