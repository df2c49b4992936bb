import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '@bitka/kernel'
import { z } from 'zod'
import { stackHome } from '../native/home.ts'
import { ensureEnvoy } from '../native/parts.ts'
import { renderNative } from './native.ts'
import { type RenderOptions, render, type Target, targets } from './render.ts'
import { validate } from './validate.ts'

const list = z.string().transform((text) => text.split(',').filter(Boolean))

const schema = z.object({
  /** The trust domain of the mesh. */
  BITKA_TRUST_DOMAIN: z.string().min(1).optional(),
  /** Addresses (CIDR), comma-separated, from which operators may work. */
  BITKA_OPERATOR_NETWORKS: list.optional(),
  /** SPIFFE IDs, comma-separated, that may use the mesh listener; empty: none. */
  BITKA_INTERNAL_CALLERS: list.optional(),
  /** host:port of the server of the web page's files. Unset: there is no page. */
  BITKA_WEB: z
    .string()
    .regex(/^[a-z0-9.-]+:\d{1,5}$/, 'must be host:port')
    .optional(),
})

const USAGE = `usage: envoy render native|compose|k8s      the configuration, on standard output
       envoy render compose|k8s FOLDER      the same as files, with the one that names the public certificate
       envoy validate FOLDER [FILE...]      Envoy reads all of them: those of FOLDER, the native one, and FILEs for containers`

function optionsOf(env: NodeJS.ProcessEnv): RenderOptions {
  const config = loadConfig(schema, env)
  const [host, port] = config.BITKA_WEB?.split(':') ?? []
  return {
    trustDomain: config.BITKA_TRUST_DOMAIN,
    operatorNetworks: config.BITKA_OPERATOR_NETWORKS,
    internalCallers: config.BITKA_INTERNAL_CALLERS,
    ...(host !== undefined && { web: { host, port: Number(port) } }),
  }
}

function renderTo(target: Target, folder: string | undefined): number {
  const files = render(target, optionsOf(process.env))
  if (folder === undefined) process.stdout.write(files.get(`${target}.yaml`) ?? '')
  else {
    mkdirSync(folder, { recursive: true })
    for (const [name, text] of files) writeFileSync(join(folder, name), text)
  }
  return 0
}

async function check(folder: string, further: string[]): Promise<number> {
  const found = await validate(await ensureEnvoy(stackHome()), folder, further)
  for (const [name, problems] of found) {
    if (problems.length === 0) console.log(`${name}: ok`)
    for (const problem of problems) console.error(`${name}: ${problem}`)
  }
  return [...found.values()].every(({ length }) => length === 0) ? 0 : 1
}

async function main([command, first, ...rest]: string[]): Promise<number> {
  const target = targets.find((name) => name === first)
  if (command === 'render' && target !== undefined) return renderTo(target, rest[0])
  if (command === 'render' && first === 'native') {
    process.stdout.write(renderNative(stackHome(), optionsOf(process.env).trustDomain ?? 'bitka.local'))
    return 0
  }
  if (command === 'validate' && first !== undefined) return await check(first, rest)
  console.error(USAGE)
  return 2
}

process.exitCode = await main(process.argv.slice(2))
