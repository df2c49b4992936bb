import { randomBytes } from 'node:crypto'
import { appRole, ownerRole } from '@bitka/store'
import { serviceTable } from '../table/index.ts'

/** Accounts in compose.yaml that are no rows of the table. */
export const accounts = { postgres: 999, migrate: 47_930, collector: 47_940, spire: 1_000, grafana: 472 } as const

/** A secret of the deployment: a file in BITKA_SECRETS, which compose mounts below /run/secrets. */
export type SecretFile = {
  name: string
  /** The account that reads it. */
  uid: number
  /** A second account that does. */
  gid?: number
} & (
  | { make: () => string }
  /** Its value comes from elsewhere: whoever installs the exchange writes the file. */
  | { from: string }
)

/** Hexadecimal, so that it can stand in a URL. */
const password = (): string => randomBytes(24).toString('hex')

const parameters = 'sslmode=verify-full&sslrootcert=/run/bundle/bundle.pem'
const urlOf = (role: string, secret: string): string =>
  `postgresql://${role}:${secret}@postgres:5432/bitka?${parameters}`

/**
 * Every secret of deploy/compose.yaml but SPIRE's. A test holds the two together.
 * @param admin the password of PostgreSQL's superuser, where there is one already
 */
export function secretFiles(admin: string = password()): SecretFile[] {
  const databases = serviceTable.filter(({ database }) => database)
  const auth = serviceTable.find(({ name }) => name === 'auth')?.uid ?? 0
  const notification = serviceTable.find(({ name }) => name === 'notification')?.uid ?? 0
  return [
    { name: 'postgres-password', uid: accounts.postgres, make: () => admin },
    { name: 'db-admin-url', uid: accounts.migrate, make: () => urlOf('postgres', admin) },
    { name: 'backup-db-url', uid: accounts.postgres, make: () => urlOf('postgres', admin) },
    ...databases.flatMap(({ name, uid }): SecretFile[] => [
      // The migrations set the password that the service will use.
      { name: `${name}-app-url`, uid, gid: accounts.migrate, make: () => urlOf(appRole(name), password()) },
      { name: `${name}-owner-url`, uid: accounts.migrate, make: () => urlOf(ownerRole(name), password()) },
    ]),
    { name: 'auth-kek', uid: auth, make: () => randomBytes(32).toString('base64') },
    { name: 'operator-password', uid: auth, make: password },
    { name: 'operator2-password', uid: auth, make: password },
    { name: 'grafana-password', uid: accounts.grafana, make: password },
    { name: 'mailgun-api-key', uid: notification, from: "Mailgun's API key" },
    { name: 'mailgun-signing-key', uid: notification, from: 'the key that Mailgun signs its reports with' },
  ]
}
