import { ConfigError } from '@bitka/kernel'
import type { Db } from '@bitka/store'
import type { Profile } from './config.ts'

/**
 * Writes the profile at the first start and refuses another one afterwards: a demo exchange never becomes a production one
 * with its unguarded history, nor the other way round.
 */
export async function claimProfile(db: Db, profile: Profile): Promise<void> {
  await db.query('insert into service_profile (profile) values ($1) on conflict do nothing', [profile])
  const { rows } = await db.query<{ profile: string }>('select profile from service_profile')
  const stored = rows[0]?.profile
  if (stored !== profile) {
    throw new ConfigError(`bad configuration: BITKA_PROFILE: this exchange was started as ${stored} and stays so`)
  }
}
