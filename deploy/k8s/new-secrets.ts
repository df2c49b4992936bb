import { randomBytes } from 'node:crypto'
import { ConfigError } from '@bitka/kernel'
import { PHASE_LABEL } from './platform.ts'
import { type SecretSpec, secretTable } from './secrets.ts'

/** A Secret with its values; never written to a file by us. */
export type NewSecret = { name: string; namespace: string; type: string; values: Record<string, string> }

/** What an installation brings along, as variables of the environment: NAME_KEY of the Secret and its key. */
const given: ReadonlySet<string> = new Set([
  'AUTH_OPERATOR_PASSWORD',
  'AUTH_OPERATOR2_PASSWORD',
  'MAILGUN_API_KEY',
  'MAILGUN_SIGNING_KEY',
  'BACKUP_S3_ACCESS_KEY_ID',
  'BACKUP_S3_SECRET_ACCESS_KEY',
  'DNS_TSIG_SECRET',
  'GRAFANA_ADMIN_PASSWORD',
])

const variableOf = (secret: string, key: string): string => `${secret}_${key}`.replaceAll('-', '_').toUpperCase()
/** 192 bits, in letters that a URL takes as they are. */
const password = (): string => randomBytes(24).toString('base64url')

/**
 * The Secrets of an overlay for a new installation: passwords and keys are made, what only people know comes from `env`.
 * @throws ConfigError which names every variable that is missing
 */
export function newSecrets(overlay: string, env: Readonly<Record<string, string | undefined>>): NewSecret[] {
  const missing: string[] = []
  const superuser = password()
  const makeValue = (secret: string, key: string, what: string): string => {
    const variable = variableOf(secret, key)
    if (given.has(variable)) {
      const value = env[variable]
      if (!value) missing.push(variable)
      return value ?? ''
    }
    if (secret === 'auth' && key === 'kek') return randomBytes(32).toString('base64')
    if (secret === 'db-admin') return key === 'password' ? superuser : what.replace('PASSWORD', superuser)
    if (secret === 'db-urls') return what.replace('PASSWORD', password())
    throw new Error(`nobody says where ${secret}/${key} comes from`)
  }
  // With Secret Manager, Grafana's password is a matter of kubectl: docs/operations/install-gke.md.
  const isNeeded = ({ namespace, madeBy, overlays }: SecretSpec): boolean =>
    madeBy === undefined && (overlay === 'k3s' || namespace === undefined) && (overlays?.includes(overlay) ?? true)
  const secrets = secretTable.filter(isNeeded).map(({ name, namespace = 'bitka', type = 'Opaque', keys }) => ({
    name,
    namespace,
    type,
    values: Object.fromEntries(Object.entries(keys).map(([key, what]) => [key, makeValue(name, key, what)])),
  }))
  if (missing.length > 0) throw new ConfigError(`set ${missing.join(', ')}`)
  return secrets
}

/** As kubectl create takes it. */
export const secretManifest = ({ name, namespace, type, values }: NewSecret): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace, labels: { 'app.kubernetes.io/part-of': 'bitka', [PHASE_LABEL]: 'prepare' } },
  type,
  stringData: values,
})
