/** Letters, digits, dot, dash and underscore: nothing that could pass for another character, an address or a path. */
const USERNAME = /^[A-Za-z0-9._-]{3,30}$/

/** The usernames of the first operators; nobody may register them, so that the first start never finds them taken. */
export const OPERATOR_USERNAMES = ['operator', 'operator2'] as const

/** Why a username is not allowed, or undefined. */
export function usernameProblem(username: string): string | undefined {
  if (username === '') return 'is required'
  return USERNAME.test(username) ? undefined : 'must have 3 to 30 letters, digits, dots, dashes or underscores'
}

/** The form in which usernames are compared: without regard to case. */
export const usernameKey = (username: string): string => username.toLowerCase()

export const isReserved = (username: string): boolean =>
  OPERATOR_USERNAMES.some((reserved) => reserved === usernameKey(username))
