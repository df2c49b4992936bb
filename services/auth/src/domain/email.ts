/** RFC 5321: a path of 256 octets, less the angle brackets. */
const MAX_LENGTH = 254
const MAX_LOCAL = 64

/** An atom of the local part (RFC 5322), without quoting, comments or characters outside ASCII. */
const LOCAL = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/
/** A host name of at least two labels whose last one is no number. */
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/

/** The form in which mail addresses are stored and compared: lower case. */
export const normalizeEmail = (email: string): string => email.toLowerCase()

/** Why a mail address is not allowed, or undefined. Shape only; whether mail arrives shows when it is sent. */
export function emailProblem(email: string): string | undefined {
  if (email === '') return 'is required'
  const normalized = normalizeEmail(email)
  const at = normalized.lastIndexOf('@')
  const local = normalized.slice(0, Math.max(at, 0))
  const valid =
    normalized.length <= MAX_LENGTH &&
    local.length <= MAX_LOCAL &&
    LOCAL.test(local) &&
    DOMAIN.test(normalized.slice(at + 1))
  return valid ? undefined : 'must be a mail address'
}
