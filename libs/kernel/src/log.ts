import { type DestinationStream, type Logger, pino } from 'pino'
import { serializeError } from './log-error.ts'

export type { Logger }

/** Object keys whose values never reach a log, at any of the first depths that our log lines have. */
const SECRET_KEYS = [
  'authorization',
  'password',
  'current_password',
  'currentPassword',
  'new_password',
  'newPassword',
  'token',
  'access_token',
  'accessToken',
  'refresh_token',
  'refreshToken',
  'mfa_token',
  'mfaToken',
  'secret',
  'otp',
  'code',
  'key',
  'private_key',
  'privateKey',
  'email',
  'body',
  'cookie',
]

/** What a log writes in place of a secret. */
export const REDACTED = '[redacted]'

/** Paths for pino's redaction: each key at the top and up to three levels down. `err.code` stays: it is Node's error code. */
const paths = SECRET_KEYS.flatMap((key) =>
  key === 'code' ? ['req.code', 'body.code'] : [key, `*.${key}`, `*.*.${key}`, `*.*.*.${key}`],
)

/** A JSON logger for one service. Level from `level`, default info; `destination` is for tests. */
export function createLogger(
  service: string,
  options: { level?: string; destination?: DestinationStream } = {},
): Logger {
  const settings = {
    name: service,
    level: options.level ?? 'info',
    redact: { paths, censor: REDACTED },
    base: { service },
    serializers: { err: serializeError },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  return options.destination ? pino(settings, options.destination) : pino(settings)
}

/** A logger that writes nothing, for tests. */
export const silentLogger: Logger = pino({ level: 'silent' })
