import { DomainError } from '@bitka/kernel'
import { type Editable, type Locale, locales } from './profile.ts'

const NAME_MAX = 100
const URL_MAX = 500

/** Control characters, line ends, and marks that turn the direction of the text around them: they can make a name lie. */
const HARMFUL = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

/** A path of ours, such as /v1/users/…/avatar: not "//host", which a browser takes for another site. */
const OWN_PATH = /^\/(?!\/)[A-Za-z0-9._~/-]*(\?[A-Za-z0-9._~=&-]*)?$/

function isHttps(text: string): boolean {
  // The parser forgives white space and back slashes; a stored address shall be what is shown.
  if (!/^https:\/\/[^\s\\]+$/.test(text) || /\p{Cc}/u.test(text)) return false
  try {
    const url = new URL(text)
    return url.username === '' && url.password === ''
  } catch {
    return false
  }
}

const isOwnPath = (text: string): boolean => OWN_PATH.test(text) && !text.split(/[/?]/).includes('..')

export function fullNameProblem(name: string): string | undefined {
  if (HARMFUL.test(name)) return 'must not have control characters'
  const length = [...name].length
  return length < 1 || length > NAME_MAX ? `must have 1 to ${NAME_MAX} characters` : undefined
}

export function avatarUrlProblem(url: string): string | undefined {
  if (url.length > URL_MAX) return `must have at most ${URL_MAX} characters`
  return isHttps(url) || isOwnPath(url) ? undefined : 'must be an https address or a path of ours'
}

export const localeOf = (text: string): Locale | undefined => locales.find((locale) => locale === text)

/** What was asked for, absent where the request says nothing. */
export type ChangeRequest = { fullName?: string; avatarUrl?: string; locale?: string }

/**
 * Reads a change: absent fields stay, an empty name or avatar removes it. Every field at fault is named.
 * @throws DomainError invalid
 */
export function checkChange(request: ChangeRequest): Partial<Editable> {
  const details: Record<string, string> = {}
  const change: Partial<Editable> = {}
  if (request.fullName !== undefined) {
    const name = request.fullName.normalize('NFC').trim()
    const problem = request.fullName === '' ? undefined : fullNameProblem(name)
    if (problem !== undefined) details.full_name = problem
    change.fullName = name === '' ? null : name
  }
  if (request.avatarUrl !== undefined) {
    const problem = request.avatarUrl === '' ? undefined : avatarUrlProblem(request.avatarUrl)
    if (problem !== undefined) details.avatar_url = problem
    change.avatarUrl = request.avatarUrl === '' ? null : request.avatarUrl
  }
  if (request.locale !== undefined) {
    const locale = localeOf(request.locale)
    if (locale === undefined) details.locale = `must be ${locales.join(' or ')}`
    else change.locale = locale
  }
  const problems = Object.entries(details)
  if (problems.length === 0) return change
  const sentence = problems.map(([field, reason]) => `The field ${field} ${reason}.`).join(' ')
  throw new DomainError('invalid', sentence, details)
}
