import type { OutgoingContext } from '@bitka/mesh'
import type { UserContext } from './context.ts'
import type { Profile } from './domain/profile.ts'
import * as profiles from './store/profiles.ts'

/** The profiles of those users that exist, in the order asked for; missing ones are begun with what auth knows. */
export async function loadProfiles(
  { db, findPeople }: UserContext,
  userIds: readonly string[],
  call: OutgoingContext,
): Promise<Profile[]> {
  const found = new Map((await profiles.findMany(db, userIds)).map((profile) => [profile.userId, profile]))
  const missing = userIds.filter((id) => !found.has(id))
  if (missing.length > 0) {
    const people = await findPeople(missing, call)
    if (people.length > 0) {
      await profiles.insertMissing(db, people)
      const made = people.map(({ userId }) => userId)
      for (const profile of await profiles.findMany(db, made)) found.set(profile.userId, profile)
    }
  }
  return userIds.flatMap((id) => found.get(id) ?? [])
}
