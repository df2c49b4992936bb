import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, type Logger, loadConfig } from '@bitka/kernel'
import { repositoryFolder, type ServiceEnv } from '@bitka/service'
import { appRole, bootstrapDatabase, migrate, ownerRole, schemaName } from '@bitka/store'
import { z } from 'zod'
import { serviceTable } from '../table/index.ts'

const withDatabase: readonly string[] = serviceTable.filter(({ database }) => database).map(({ name }) => name)

export const schema = z.object({
  /** A folder with the files <service>-owner-url and <service>-app-url: what the owner and the service connect with. */
  BITKA_DB_URLS: z.string().min(1),
  /** A role that may create roles and schemas. When set, those of the services are made, or get the passwords of the URLs. */
  BITKA_DB_ADMIN_URL: z.string().min(1).optional(),
  /** The services concerned, comma-separated; all of them by default. */
  BITKA_MIGRATE_SERVICES: z
    .string()
    .default(withDatabase.join(','))
    .transform((text) => text.split(',').filter(Boolean))
    .refine((names) => names.every((name) => withDatabase.includes(name)), 'must be services that have a database'),
  /** fatal, error, warn, info, debug, trace or silent. */
  BITKA_LOG_LEVEL: z.string().default('info'),
})

type Urls = { service: string; owner: URL; app: URL }

/** Prepares the database for a release and ends: roles and schemas where it may, then every migration that is missing. */
export async function migrateAll(env: ServiceEnv, log: Logger): Promise<void> {
  const config = loadConfig(schema, env)
  const urls = await Promise.all(config.BITKA_MIGRATE_SERVICES.map((name) => readUrls(config.BITKA_DB_URLS, name)))
  if (config.BITKA_DB_ADMIN_URL !== undefined) {
    await bootstrapDatabase({
      adminUrl: config.BITKA_DB_ADMIN_URL,
      services: urls.map(({ service, owner, app }) => ({
        service,
        ownerPassword: decodeURIComponent(owner.password),
        appPassword: decodeURIComponent(app.password),
      })),
    })
    log.info({ services: urls.length }, 'roles and schemas are there')
  }
  for (const { service, owner } of urls) {
    const applied = await migrate({
      ownerUrl: owner.href,
      schema: schemaName(service),
      folder: repositoryFolder(`services/${service}/migrations`),
      appRole: appRole(service),
      log,
    })
    log.info({ service, applied }, 'schema is up to date')
  }
}

async function readUrls(folder: string, service: string): Promise<Urls> {
  const read = async (kind: 'owner' | 'app', role: string): Promise<URL> => {
    const file = `${service}-${kind}-url`
    const text = await readFile(join(folder, file), 'utf8').catch(() => {
      throw new ConfigError(`bad configuration: BITKA_DB_URLS: ${file} cannot be read`)
    })
    const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
    // Another role would own the tables, or get the rights, and the service would find out only later.
    if (url?.username !== role || url.password === '')
      throw new ConfigError(
        `bad configuration: BITKA_DB_URLS: ${file} must be a URL of the role ${role} with a password`,
      )
    return url
  }
  const [owner, app] = await Promise.all([read('owner', ownerRole(service)), read('app', appRole(service))])
  return { service, owner, app }
}
