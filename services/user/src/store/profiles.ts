import type { Db, Tx } from '@bitka/store'
import { eq, inArray } from 'drizzle-orm'
import type { Profile } from '../domain/profile.ts'
import { profiles } from './tables.ts'

type Orm = Pick<Db, 'orm'>

export async function findMany({ orm }: Orm, userIds: readonly string[]): Promise<Profile[]> {
  return orm
    .select()
    .from(profiles)
    .where(inArray(profiles.userId, [...userIds]))
}

export async function lock({ orm }: Tx, userId: string): Promise<Profile | undefined> {
  const [profile] = await orm.select().from(profiles).where(eq(profiles.userId, userId)).for('update')
  return profile
}

/** Who somebody is, as auth knows them. */
export type Person = { userId: string; username: string; email: string; registeredAt: Date }

/** Begins the profiles of people who have none; two first reads at once make one. */
export async function insertMissing({ orm }: Orm, people: readonly Person[]): Promise<void> {
  if (people.length === 0) return
  await orm
    .insert(profiles)
    .values(
      people.map(({ userId, username, email, registeredAt }) => ({
        userId,
        username,
        email,
        registeredAt,
        updatedAt: registeredAt,
      })),
    )
    .onConflictDoNothing({ target: profiles.userId })
}

export async function update({ orm }: Tx, profile: Profile): Promise<void> {
  const { userId, fullName, avatarUrl, locale, updatedAt } = profile
  await orm.update(profiles).set({ fullName, avatarUrl, locale, updatedAt }).where(eq(profiles.userId, userId))
}
