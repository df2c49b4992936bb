import { readFileSync } from 'node:fs'
import type { z } from 'zod'

/** A bad environment. The message names each variable at fault and never its value, which may be a secret. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/**
 * Reads the environment through one zod object schema whose keys are variable names. For a key NAME, NAME_FILE may name a
 * file that holds the value (secrets). With a `prefix`, a variable that begins with it and is not in the schema is an error.
 * @throws ConfigError naming the variables
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
  options: { prefix?: string } = {},
): z.infer<S> {
  const known = Object.keys(schema.shape)
  const values: Record<string, string> = {}
  const problems: string[] = []
  for (const name of known) {
    const direct = env[name]
    const file = env[`${name}_FILE`]
    if (direct !== undefined && file !== undefined) problems.push(`${name}: set it or ${name}_FILE, not both`)
    else if (file !== undefined) {
      try {
        values[name] = readFileSync(file, 'utf8').trim()
      } catch {
        problems.push(`${name}_FILE: the file cannot be read`)
      }
    } else if (direct !== undefined) values[name] = direct
  }
  const { prefix } = options
  if (prefix !== undefined) {
    const allowed = new Set(known.flatMap((name) => [name, `${name}_FILE`]))
    for (const name of Object.keys(env)) {
      if (name.startsWith(prefix) && !allowed.has(name)) problems.push(`${name}: unknown variable`)
    }
  }
  const parsed = schema.safeParse(values)
  if (!parsed.success)
    for (const issue of parsed.error.issues) problems.push(`${issue.path.join('.')}: ${issue.message}`)
  if (problems.length > 0 || !parsed.success) throw new ConfigError(`bad configuration: ${problems.join('; ')}`)
  return parsed.data
}
