import { BitkaApiError } from '@bitka/client'
import { ConfigError } from '@bitka/kernel'
import { PlainError } from './people.ts'

/** One sentence about what went wrong; undefined when it is a mistake of ours, which deserves its stack. */
export function plainMessage(error: unknown): string | undefined {
  if (error instanceof PlainError || error instanceof ConfigError) return error.message
  if (!(error instanceof BitkaApiError)) return undefined
  if (error.code === 'CONNECTION_FAILED') return `${error.message} Is the exchange running? Start it with make up.`
  const details = Object.entries(error.details)
    .filter(([, reason]) => typeof reason === 'string' && !error.message.includes(reason))
    .map(([field, reason]) => `${field}: ${reason}`)
  return `${error.message}${details.length > 0 ? ` (${details.join('; ')})` : ''}`
}
