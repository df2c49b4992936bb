import { nullable, rest_name } from '@bitka/proto/bitka/options/v1/options_pb'
import { type DescEnum, type DescField, type DescMessage, getOption, hasOption, ScalarType } from '@bufbuild/protobuf'

/** What the REST dialect makes of a field's content. */
export type ValueType =
  | { is: 'string' | 'bool' | 'timestamp' | 'struct' }
  | { is: 'integer'; min: bigint; max: bigint; long: boolean }
  | { is: 'enum'; words: EnumWords }
  | { is: 'message'; desc: DescMessage }

export type RestField = {
  /** The snake_case name of the contract. */
  name: string
  /** The property of the generated message. */
  localName: string
  type: ValueType
  repeated: boolean
  /** An unset value is written as null. */
  nullable: boolean
  /** Unset and zero can be told apart. */
  presence: boolean
  /** The oneof that it belongs to. */
  oneof?: string
  desc: DescField
}

/** The words of an enum, both ways; values without a word cannot be said in REST. */
export type EnumWords = { byWord: ReadonlyMap<string, number>; byNumber: ReadonlyMap<number, string> }

const INT32 = { min: -(2n ** 31n), max: 2n ** 31n - 1n }
const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }
const UINT32 = { min: 0n, max: 2n ** 32n - 1n }
const UINT64 = { min: 0n, max: 2n ** 64n - 1n }

const scalarTypes: Partial<Record<ScalarType, ValueType>> = {
  [ScalarType.STRING]: { is: 'string' },
  [ScalarType.BOOL]: { is: 'bool' },
  [ScalarType.INT32]: { is: 'integer', ...INT32, long: false },
  [ScalarType.UINT32]: { is: 'integer', ...UINT32, long: false },
  [ScalarType.INT64]: { is: 'integer', ...INT64, long: true },
  [ScalarType.UINT64]: { is: 'integer', ...UINT64, long: true },
}

const fieldsByMessage = new WeakMap<DescMessage, readonly RestField[]>()

/**
 * The fields of a message as the REST dialect sees them.
 * @throws Error for what the dialect has no form for: floats, bytes, maps and other well-known types
 */
export function restFields(message: DescMessage): readonly RestField[] {
  const known = fieldsByMessage.get(message)
  if (known) return known
  const fields = message.fields.map(toRestField)
  fieldsByMessage.set(message, fields)
  return fields
}

function toRestField(field: DescField): RestField {
  return {
    name: field.name,
    localName: field.localName,
    type: valueType(field),
    repeated: field.fieldKind === 'list',
    nullable: hasOption(field, nullable) && getOption(field, nullable),
    presence: field.fieldKind === 'message' || field.proto.proto3Optional || field.oneof !== undefined,
    oneof: field.oneof?.localName,
    desc: field,
  }
}

function valueType(field: DescField): ValueType {
  if (field.message) {
    if (field.fieldKind === 'map') throw unsupported(field)
    if (field.message.typeName === 'google.protobuf.Timestamp') return { is: 'timestamp' }
    if (field.message.typeName === 'google.protobuf.Struct') return { is: 'struct' }
    if (field.message.typeName.startsWith('google.protobuf.')) throw unsupported(field)
    return { is: 'message', desc: field.message }
  }
  if (field.enum && field.fieldKind !== 'map') return { is: 'enum', words: enumWords(field.enum) }
  const scalar = field.fieldKind === 'map' || field.scalar === undefined ? undefined : scalarTypes[field.scalar]
  if (!scalar) throw unsupported(field)
  return scalar
}

const unsupported = (field: DescField): Error => new Error(`${field.parent.typeName}.${field.name} has no form in REST`)

const wordsByEnum = new WeakMap<DescEnum, EnumWords>()

/** The words of an enum. */
export function enumWords(desc: DescEnum): EnumWords {
  const known = wordsByEnum.get(desc)
  if (known) return known
  const named = desc.values.filter((value) => hasOption(value, rest_name))
  const words = {
    byWord: new Map(named.map((value) => [getOption(value, rest_name), value.number])),
    byNumber: new Map(named.map((value) => [value.number, getOption(value, rest_name)])),
  }
  wordsByEnum.set(desc, words)
  return words
}
