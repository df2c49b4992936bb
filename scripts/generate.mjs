// Generates libs/proto/gen from proto/. Google's HTTP annotations come from an npm package, so the repo holds only what is ours.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { writeChanged } from './write-changed.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = join(root, 'third_party/proto/google/api')
const source = join(root, 'node_modules/protobufjs/google/api')
const bin = join(root, 'node_modules/.bin')
// A production install has no generator: the generated code is then already in the image.
if (existsSync(source)) {
  mkdirSync(target, { recursive: true })
  for (const file of ['annotations.proto', 'http.proto']) cpSync(join(source, file), join(target, file))
  const made = mkdtempSync(join(tmpdir(), 'bitka-generate-'))
  try {
    execFileSync(join(bin, 'buf'), ['generate', '--output', made], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    })
    writeComments(join(made, 'libs/proto/gen'))
    replace(join(root, 'libs/proto/gen'), join(made, 'libs/proto/gen'))
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

/** Makes a folder what another one is, file by file: what is the same stays, since somebody may be importing it. */
function replace(folder, made) {
  const filesOf = (top) =>
    readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(top.length + 1))
  const wanted = filesOf(made)
  for (const file of wanted) writeChanged(join(folder, file), readFileSync(join(made, file)))
  const kept = new Set(wanted)
  for (const file of filesOf(folder)) if (!kept.has(file)) rmSync(join(folder, file), { force: true })
}

/** Descriptors in generated code carry no comments, so those that openapi.json shows are written beside them. */
function writeComments(gen) {
  const image = execFileSync(join(bin, 'buf'), ['build', '--as-file-descriptor-set', '-o', '-'], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
  const comments = {}
  for (const file of fromBinary(FileDescriptorSetSchema, image).file) {
    if (!file.package.startsWith('bitka.')) continue
    for (const { path, leadingComments } of file.sourceCodeInfo?.location ?? []) {
      const name = nameAt(file, path)
      if (name && leadingComments)
        comments[name] = leadingComments
          .split('\n')
          .map((line) => line.trim())
          .join(' ')
          .trim()
    }
  }
  writeFileSync(join(gen, 'comments.js'), `export const comments = ${JSON.stringify(comments, undefined, 1)}\n`)
  const doc =
    '/** Full name of a service, method, message, field, enum or enum value → its comment in the .proto file. */'
  writeFileSync(join(gen, 'comments.d.ts'), `${doc}\nexport declare const comments: Readonly<Record<string, string>>\n`)
}

/** The full name of what a path of SourceCodeInfo points to: pairs of field number and index (descriptor.proto). */
function nameAt(file, path) {
  let rest = path
  let name = file.package
  let node = { 4: file.messageType, 5: file.enumType, 6: file.service }
  while (rest.length >= 2) {
    const [field, index, ...after] = rest
    const found = node[field]?.[index]
    if (!found) return undefined
    name += `.${found.name}`
    node = childrenOf(found)
    rest = after
  }
  return rest.length === 0 ? name : undefined
}

/** The named parts of a descriptor, by the number of the field that holds them. */
function childrenOf(descriptor) {
  switch (descriptor.$typeName) {
    case 'google.protobuf.DescriptorProto':
      return { 2: descriptor.field, 3: descriptor.nestedType, 4: descriptor.enumType }
    case 'google.protobuf.EnumDescriptorProto':
      return { 2: descriptor.value }
    case 'google.protobuf.ServiceDescriptorProto':
      return { 2: descriptor.method }
    default:
      return {}
  }
}
