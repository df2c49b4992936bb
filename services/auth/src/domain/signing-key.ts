import { ACCESS_TOKEN_MS } from './session.ts'

/**
 * A key's life: it waits and is published (next), signs (current), and is served until the last token it signed has
 * expired (retired).
 */
export type KeyTimes = { createdAt: Date; activatedAt: Date | null; retiredAt: Date | null }

/** Another replica may sign with the old key until it looks again; verifiers' clocks may be a little behind. */
const RETIRED_SLACK_MS = 5 * 60_000
/** How long a retired key is still served. */
export const SERVED_AFTER_RETIRED_MS = ACCESS_TOKEN_MS + RETIRED_SLACK_MS
/** A key signs only after every cache of the JWK Set (max-age 300) has had time to see it, twice over. */
const PUBLISHED_BEFORE_USE_MS = 10 * 60_000

export const isNext = (key: KeyTimes): boolean => key.activatedAt === null
export const isCurrent = (key: KeyTimes): boolean => key.activatedAt !== null && key.retiredAt === null

/** True while a token signed with the key may still be valid, or will be. */
export const isServed = (key: KeyTimes, now: Date): boolean =>
  key.retiredAt === null || key.retiredAt.getTime() + SERVED_AFTER_RETIRED_MS > now.getTime()

/** The order in which keys are published: the signing one first, the next one, then those on their way out. */
export function publicOrder<K extends KeyTimes>(keys: readonly K[], now: Date): K[] {
  const rank = (key: K): number => (isCurrent(key) ? 0 : isNext(key) ? 1 : 2)
  return keys.filter((key) => isServed(key, now)).sort((a, b) => rank(a) - rank(b))
}

/** True when the signing key is old enough to be replaced and the next one has been published long enough. */
export function isRotationDue(keys: readonly KeyTimes[], intervalMs: number, now: Date): boolean {
  const current = keys.find(isCurrent)
  const next = keys.find(isNext)
  if (!current?.activatedAt || !next) return true
  const isOld = current.activatedAt.getTime() + intervalMs <= now.getTime()
  return isOld && next.createdAt.getTime() + PUBLISHED_BEFORE_USE_MS <= now.getTime()
}
