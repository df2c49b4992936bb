// Every field of every BitKa contract says how secret it is (data_class): log redaction and encryption read it.
import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createFileRegistry, fromBinary, getOption, hasOption } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { data_class, rest_name } from '../libs/proto/gen/bitka/options/v1/options_pb.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const image = execFileSync(join(root, 'node_modules/.bin/buf'), ['build', '-o', '-', '--as-file-descriptor-set'], {
  cwd: root,
  maxBuffer: 64 * 1024 * 1024,
  stdio: ['ignore', 'pipe', 'ignore'],
})
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image))
// Enums of internal RPCs never meet REST.
const internalEnums = new Set([
  'bitka.ledger.v1.HoldPurpose',
  'bitka.options.v1.DataClass',
  'bitka.options.v1.RestEnvelope',
])
const problems = []
for (const type of registry) {
  if (!type.typeName.startsWith('bitka.')) continue
  if (type.kind === 'message') {
    for (const field of type.fields) {
      if (!hasOption(field, data_class) || getOption(field, data_class) === 0) {
        problems.push(`${type.typeName}.${field.name} has no data_class`)
      }
      // A REST word is needed wherever a public message uses the enum; events may do without.
      if (field.enum && !type.typeName.startsWith('bitka.events.') && field.enum.typeName.startsWith('bitka.')) {
        for (const value of field.enum.values) {
          if (value.number !== 0 && !hasOption(value, rest_name) && !internalEnums.has(field.enum.typeName)) {
            problems.push(`${field.enum.typeName}.${value.name} has no rest_name`)
          }
        }
      }
    }
  }
}
if (problems.length > 0) {
  console.error([...new Set(problems)].join('\n'))
  process.exit(1)
}
