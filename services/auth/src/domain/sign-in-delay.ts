/** Mistyping this often costs nothing. */
const FREE_FAILURES = 5
const SECOND = 1_000
/** The longest wait of a place that never signed in to the account. */
const STRANGER_MAX_MS = 15 * 60 * SECOND
/** The longest wait of a place that did: a slow-down, never a lock-out by somebody behind the same address. */
const KNOWN_MAX_MS = 10 * SECOND
/** Failures older than this are forgotten. */
export const FAILURES_FORGOTTEN_MS = 24 * 60 * 60 * SECOND

/** Failed sign-ins to one account from one network. */
export type Failures = { count: number; lastAtMs: number }

/** How long after the last failure the next attempt has to wait: nothing at first, then 1 s, doubling. */
export function delayMs(count: number, isKnownPlace: boolean): number {
  if (count < FREE_FAILURES) return 0
  const grown = SECOND * 2 ** Math.min(count - FREE_FAILURES, 20)
  return Math.min(grown, isKnownPlace ? KNOWN_MAX_MS : STRANGER_MAX_MS)
}

/** How long an attempt at `nowMs` has to wait yet; 0 lets it through. */
export function waitMs(failures: Failures | undefined, isKnownPlace: boolean, nowMs: number): number {
  if (failures === undefined || nowMs - failures.lastAtMs >= FAILURES_FORGOTTEN_MS) return 0
  return Math.max(0, failures.lastAtMs + delayMs(failures.count, isKnownPlace) - nowMs)
}
