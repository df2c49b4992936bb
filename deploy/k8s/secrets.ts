import { backends, databaseUrl } from './platform.ts'

/** A Secret that the manifests refer to. Who installs the exchange makes it; nothing here has a value. */
export type SecretSpec = {
  name: string
  /** Where it is; with the exchange unless given. */
  namespace?: string
  /** What the value of each key is. */
  keys: Readonly<Record<string, string>>
  /** Overlays that need it; all of them unless given. */
  overlays?: readonly string[]
  /** Kubernetes' own type, where a controller wants one. */
  type?: string
  /** A controller in the cluster makes it; nobody has to. */
  madeBy?: string
}

const databases = backends.filter(({ database }) => database).map(({ name }) => name)

/** Every secret of the deployment, with its keys. Tests hold the manifests to it, and docs/operations list it. */
export const secretTable: readonly SecretSpec[] = [
  {
    name: 'db-admin',
    type: 'kubernetes.io/basic-auth',
    keys: {
      username: 'postgres',
      password: "the password of PostgreSQL's superuser",
      url: databaseUrl('postgres'),
    },
  },
  {
    name: 'db-urls',
    keys: Object.fromEntries(
      databases.flatMap((name) =>
        ['app', 'owner'].map((kind) => [`${name}-${kind}-url`, databaseUrl(`${name.replace('-', '_')}_${kind}`)]),
      ),
    ),
  },
  {
    name: 'auth',
    keys: {
      kek: '32 random bytes in base64: what the signing keys are sealed with',
      'operator-password': 'the password of the first operator, at least 12 characters',
      'operator2-password': 'the password of the second operator',
    },
  },
  {
    name: 'mailgun',
    keys: { 'api-key': "Mailgun's API key", 'signing-key': 'the key that Mailgun signs its reports with' },
  },
  {
    name: 'backup-s3',
    overlays: ['k3s'],
    keys: { 'access-key-id': 'of the object store at the second site', 'secret-access-key': 'its secret' },
  },
  {
    name: 'dns-tsig',
    overlays: ['k3s'],
    keys: { secret: 'the TSIG key that may write the _acme-challenge record of the public host, in base64' },
  },
  {
    name: 'grafana',
    namespace: 'monitoring',
    keys: { 'admin-password': 'the password of the user admin of Grafana' },
  },
  { name: 'public-tls', madeBy: 'cert-manager', keys: { 'tls.crt': 'the public certificate', 'tls.key': 'its key' } },
  { name: 'postgres-ca', madeBy: 'CloudNativePG', keys: { 'ca.crt': "the roots of PostgreSQL's certificate" } },
]
