import { ownerRole, type Queryable, quoteName, rootCause, schemaName } from '@bitka/store'

export type PermissionSuiteOptions = {
  service: string
  /** The database opened with the service's app role, after its migrations. A function: suites open it in beforeAll. */
  appDb: () => Queryable
  ownerTables: {
    /** Tables that the app role may only add rows to (and read). */
    insertOnly: readonly string[]
  }
  /** Schemas of others in the same database. */
  foreignSchemas: readonly string[]
}

/** insufficient_privilege */
const REFUSED = '42501'

async function sqlState(db: Queryable, sql: string): Promise<unknown> {
  try {
    await db.query(sql)
    return 'it was allowed'
  } catch (error) {
    const root = rootCause(error) as { code?: unknown; message?: unknown }
    return root.code ?? root.message
  }
}

/** Declares tests that try, as the service's app role, everything it must not be able to do. */
export function storePermissionSuite(options: PermissionSuiteOptions): void {
  const { service, appDb, ownerTables, foreignSchemas } = options
  const schema = quoteName(schemaName(service))
  const owner = ownerRole(service)
  const refuses = (what: string, sql: string) =>
    it(`may not ${what}`, async () => expect(await sqlState(appDb(), sql)).toBe(REFUSED))

  describe(`${service}'s app role`, () => {
    for (const table of ownerTables.insertOnly) {
      it(`may not update ${table}, in any column`, async () => {
        const { rows } = await appDb().query<{ column: string }>(
          `select quote_ident(attname) as column from pg_attribute
           where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity <> 'a'`,
          [`${schema}.${table}`],
        )
        expect(rows.length).toBeGreaterThan(0)
        for (const { column } of rows) {
          const update = `update ${schema}.${table} set ${column} = default`
          expect([column, await sqlState(appDb(), update)]).toEqual([column, REFUSED])
        }
      })
      refuses(`delete from ${table}`, `delete from ${schema}.${table}`)
      refuses(`truncate ${table}`, `truncate ${schema}.${table}`)
      refuses(`alter ${table}`, `alter table ${schema}.${table} add column sneaky int`)
      refuses(`disable the triggers of ${table}`, `alter table ${schema}.${table} disable trigger all`)
      refuses(`drop ${table}`, `drop table ${schema}.${table}`)
    }
    refuses('create a table in its schema', `create table ${schema}.sneaky (id int)`)
    refuses('create a table in public', 'create table public.sneaky (id int)')
    refuses('create a temporary table', 'create temporary table sneaky (id int)')
    refuses('create a schema', 'create schema sneaky')
    refuses('read the list of migrations', `select * from ${schema}.migrations`)
    for (const foreign of foreignSchemas.map(quoteName)) {
      refuses(`read the schema ${foreign}`, `select * from ${foreign}.migrations`)
      refuses(`create a table in the schema ${foreign}`, `create table ${foreign}.sneaky (id int)`)
    }
    refuses('become its owner', `set role ${owner}`)
    refuses('become its owner for the session', `set session authorization ${owner}`)
    it('owns nothing, is member of nothing and has no special rights', async () => {
      const { rows } = await appDb().query(
        `select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as special,
           (select count(*)::int from pg_class where relowner = r.oid) + (select count(*)::int from pg_proc where proowner = r.oid)
             as owned,
           (select count(*)::int from pg_auth_members where member = r.oid) as memberships
         from pg_roles r where rolname = current_user`,
      )
      expect(rows).toEqual([{ special: false, owned: 0, memberships: 0 }])
    })
  })
}
