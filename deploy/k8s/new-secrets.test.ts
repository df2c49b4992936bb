import { newSecrets, secretManifest } from './new-secrets.ts'
import { secretTable } from './secrets.ts'

const env = {
  AUTH_OPERATOR_PASSWORD: 'first',
  AUTH_OPERATOR2_PASSWORD: 'second',
  MAILGUN_API_KEY: 'a',
  MAILGUN_SIGNING_KEY: 'b',
  BACKUP_S3_ACCESS_KEY_ID: 'c',
  BACKUP_S3_SECRET_ACCESS_KEY: 'd',
  DNS_TSIG_SECRET: 'e',
  GRAFANA_ADMIN_PASSWORD: 'f',
}

it.each(['gke', 'k3s'])('makes every secret that %s needs, each value another at each run', (overlay) => {
  const wanted = secretTable
    .filter(({ namespace }) => overlay === 'k3s' || namespace === undefined)
    .filter(({ madeBy, overlays }) => madeBy === undefined && (overlays?.includes(overlay) ?? true))
  const [one, other] = [newSecrets(overlay, env), newSecrets(overlay, env)]
  expect(one.map(({ name, values }) => [name, Object.keys(values)])).toEqual(
    wanted.map(({ name, keys }) => [name, Object.keys(keys)]),
  )
  const made = (secrets: typeof one): string[] =>
    secrets.flatMap(({ values }) => Object.values(values)).filter((value) => value.length > 20)
  for (const value of made(one)) expect(made(other)).not.toContain(value)
  expect(JSON.stringify(one)).not.toContain('PASSWORD')
})

it('gives every role of the database a password of its own, and the admin’s URL the admin’s', () => {
  const secrets = new Map(newSecrets('k3s', env).map(({ name, values }) => [name, values]))
  const urls = Object.entries(secrets.get('db-urls') ?? {})
  expect(urls).toHaveLength(16)
  for (const [key, text] of urls) {
    const [service, kind] = key.split(/-(?=(?:app|owner)-url$)/)
    const url = new URL(text)
    expect(url.username).toBe(`${service?.replace('-', '_')}_${kind?.slice(0, -4)}`)
    expect(url.searchParams.get('sslmode')).toBe('verify-full')
  }
  expect(new Set(urls.map(([, text]) => new URL(text).password)).size).toBe(16)
  const admin = secrets.get('db-admin')
  expect(new URL(admin?.url ?? '').password).toBe(admin?.password)
  expect(Buffer.from(secrets.get('auth')?.kek ?? '', 'base64')).toHaveLength(32)
})

it('names everything that is missing before it makes anything', () => {
  expect(() => newSecrets('k3s', { MAILGUN_API_KEY: 'a' })).toThrow(
    'set AUTH_OPERATOR_PASSWORD, AUTH_OPERATOR2_PASSWORD, MAILGUN_SIGNING_KEY, BACKUP_S3_ACCESS_KEY_ID, BACKUP_S3_SECRET_ACCESS_KEY, DNS_TSIG_SECRET, GRAFANA_ADMIN_PASSWORD',
  )
  expect(() => newSecrets('gke', {})).not.toThrow(/BACKUP_S3/)
})

it('writes what kubectl creates', () => {
  const [first] = newSecrets('k3s', env)
  if (first)
    expect(secretManifest(first)).toMatchObject({ kind: 'Secret', metadata: { name: 'db-admin', namespace: 'bitka' } })
  expect(first?.type).toBe('kubernetes.io/basic-auth')
})
