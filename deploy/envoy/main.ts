import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '@bitka/kernel'
import { z } from 'zod'
import { type RenderOptions, render, type Target, targets } from './render.ts'

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

const USAGE = `usage: envoy render compose|k8s          the configuration, on standard output
       envoy render compose|k8s FOLDER   the same as files, with the one that names the public certificate`

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

function main([command, target, folder]: string[]): number {
  const known = targets.find((name): name is Target => name === target)
  if (command !== 'render' || known === undefined) {
    console.error(USAGE)
    return 2
  }
  const files = render(known, optionsOf(process.env))
  if (folder === undefined) process.stdout.write(files.get(`${known}.yaml`) ?? '')
  else {
    mkdirSync(folder, { recursive: true })
    for (const [name, text] of files) writeFileSync(join(folder, name), text)
  }
  return 0
}

process.exitCode = main(process.argv.slice(2))
