import { commonPasswords } from './common-passwords.ts'

const MIN_LENGTH = 12
const MAX_LENGTH = 128

/** A password that is a run along one of these, in either direction, is the first thing anybody tries. */
const SEQUENCES = [
  '0123456789'.repeat(14),
  'abcdefghijklmnopqrstuvwxyz'.repeat(6),
  'qwertyuiopasdfghjklzxcvbnm'.repeat(6),
  '1234567890qwertyuiopasdfghjklzxcvbnm'.repeat(5),
].flatMap((sequence) => [sequence, [...sequence].reverse().join('')])

/** The form that is hashed and compared (NIST 800-63B): the same characters typed on another keyboard give the same bytes. */
export const normalizePassword = (password: string): string => password.normalize('NFKC')

/** True when the whole password is one to four characters over and over. */
function isRepetition(password: string): boolean {
  for (let size = 1; size <= 4; size += 1) {
    const unit = password.slice(0, size)
    if (unit.repeat(Math.ceil(password.length / size)).startsWith(password)) return true
  }
  return false
}

/** True for what appears near the top of every list of leaked passwords. */
function isCommon(password: string): boolean {
  const folded = password.toLowerCase()
  return commonPasswords.has(folded) || isRepetition(folded) || SEQUENCES.some((sequence) => sequence.includes(folded))
}

/** Why a password's length alone does not do, or undefined. Characters are Unicode code points, after normalisation. */
function lengthProblem(normalized: string): string | undefined {
  const length = [...normalized].length
  if (length < MIN_LENGTH) return `must have at least ${MIN_LENGTH} characters`
  return length > MAX_LENGTH ? `must have at most ${MAX_LENGTH} characters` : undefined
}

/**
 * Why a new password is not allowed, or undefined. Any characters will do and none are asked for (NIST 800-63B); what is
 * refused is short, very common, or holds the username.
 */
export function passwordProblem(password: string, username?: string): string | undefined {
  if (password === '') return 'is required'
  const normalized = normalizePassword(password)
  const problem = lengthProblem(normalized)
  if (problem !== undefined) return problem
  if (isCommon(normalized)) return 'is too common'
  const holdsUsername =
    username !== undefined && username !== '' && normalized.toLowerCase().includes(username.toLowerCase())
  return holdsUsername ? 'must not contain the username' : undefined
}
