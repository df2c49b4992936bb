export const locales = ['en', 'th'] as const
export type Locale = (typeof locales)[number]

/** What a person may change of their profile. */
export type Editable = { fullName: string | null; avatarUrl: string | null; locale: Locale }

export type Profile = Editable & {
  userId: string
  username: string
  email: string
  kycLevel: number
  registeredAt: Date
  updatedAt: Date
}

/** The profile with the change, and the names of the fields that differ. */
export function applyChange(
  profile: Profile,
  change: Partial<Editable>,
  now: Date,
): { profile: Profile; changed: string[] } {
  const next = { ...profile, ...change }
  const changed = [
    ...(next.fullName === profile.fullName ? [] : ['full_name']),
    ...(next.avatarUrl === profile.avatarUrl ? [] : ['avatar_url']),
    ...(next.locale === profile.locale ? [] : ['locale']),
  ]
  return { profile: changed.length === 0 ? profile : { ...next, updatedAt: now }, changed }
}
