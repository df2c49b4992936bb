import { loadConfig } from '@bitka/kernel'
import { z } from 'zod'

const schema = z.object({
  /** Where the public API is. */
  BITKA_URL: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8080'),
  /** Sessions are kept in its folder cli/. */
  BITKA_DATA_DIR: z.string().min(1).default('.bitka'),
  /** The operator's mail address. */
  BITKA_OPERATOR_EMAIL: z.string().min(1).default('operator@bitka.local'),
  /** The operator's password; asked for when it is needed and not set. */
  BITKA_OPERATOR_PASSWORD: z.string().min(1).optional(),
})

/** What the command line and the demo read from the environment. */
export type PeopleConfig = z.infer<typeof schema>

/** @throws ConfigError naming the variable */
export function readPeopleConfig(env: Readonly<Record<string, string | undefined>>): PeopleConfig {
  const config = loadConfig(schema, env)
  return { ...config, BITKA_URL: config.BITKA_URL.replace(/\/+$/, '') }
}
