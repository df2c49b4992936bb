import type { Queryable, Tx } from '@bitka/store'
import type { Locale, Profile } from '../domain/profile.ts'

type ProfileRow = {
  user_id: string
  username: string
  email: string
  full_name: string | null
  avatar_url: string | null
  locale: Locale
  kyc_level: number
  registered_at: Date
  updated_at: Date
}

const columns = 'user_id, username, email, full_name, avatar_url, locale, kyc_level, registered_at, updated_at'

const toProfile = (row: ProfileRow): Profile => ({
  userId: row.user_id,
  username: row.username,
  email: row.email,
  fullName: row.full_name,
  avatarUrl: row.avatar_url,
  locale: row.locale,
  kycLevel: row.kyc_level,
  registeredAt: row.registered_at,
  updatedAt: row.updated_at,
})

export async function findMany(db: Queryable, userIds: readonly string[]): Promise<Profile[]> {
  const { rows } = await db.query<ProfileRow>(`select ${columns} from profiles where user_id = any($1::uuid[])`, [
    userIds,
  ])
  return rows.map(toProfile)
}

export async function lock(tx: Tx, userId: string): Promise<Profile | undefined> {
  const { rows } = await tx.query<ProfileRow>(`select ${columns} from profiles where user_id = $1 for update`, [userId])
  return rows[0] && toProfile(rows[0])
}

/** Who somebody is, as auth knows them. */
export type Person = { userId: string; username: string; email: string; registeredAt: Date }

/** Begins the profiles of people who have none; two first reads at once make one. */
export async function insertMissing(db: Queryable, people: readonly Person[]): Promise<void> {
  await db.query(
    `insert into profiles (user_id, username, email, registered_at, updated_at)
     select user_id, username, email, registered_at, registered_at
     from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) as p (user_id, username, email, registered_at)
     on conflict (user_id) do nothing`,
    [
      people.map(({ userId }) => userId),
      people.map(({ username }) => username),
      people.map(({ email }) => email),
      people.map(({ registeredAt }) => registeredAt.toISOString()),
    ],
  )
}

export async function update(tx: Tx, profile: Profile): Promise<void> {
  await tx.query(
    'update profiles set full_name = $2, avatar_url = $3, locale = $4, updated_at = $5 where user_id = $1',
    [profile.userId, profile.fullName, profile.avatarUrl, profile.locale, profile.updatedAt],
  )
}
