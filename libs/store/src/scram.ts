import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { assert } from '@bitka/kernel'

const ITERATIONS = 4_096

/**
 * The verifier that PostgreSQL keeps for a password (RFC 5803). Made here, so that no statement, and so no server log,
 * ever holds the password itself.
 */
export function scramVerifier(password: string): string {
  // Others would need SASLprep.
  assert(/^[\x21-\x7e]+$/.test(password), 'a database password must be visible ASCII')
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64')
  const serverKey = hmac('Server Key').toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}
