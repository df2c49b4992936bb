// Generates libs/proto/gen from proto/. Google's HTTP annotations come from an npm package, so the repo holds only what is ours.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = join(root, 'third_party/proto/google/api')
const source = join(root, 'node_modules/protobufjs/google/api')
// A production install has no generator: the generated code is then already in the image.
if (existsSync(source)) {
  mkdirSync(target, { recursive: true })
  for (const file of ['annotations.proto', 'http.proto']) cpSync(join(source, file), join(target, file))
  const bin = join(root, 'node_modules/.bin')
  execFileSync(join(bin, 'buf'), ['generate'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  })
}
