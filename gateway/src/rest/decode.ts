import { DomainError } from '@bitka/kernel'
import { create, type DescMessage, type JsonObject, type JsonValue, type Message } from '@bufbuild/protobuf'
import { type RestField, restFields, type ValueType } from './fields.ts'
import { type JsonInput, JsonNumber, type JsonObjectInput } from './json.ts'
import { parseTime } from './time.ts'

/** What is wrong with a request: path of the field → reason. Collected, so that a person sees all of it at once. */
export type Problems = Record<string, string>

/** No problems yet. Without a prototype: the name of an unknown field may be any, `__proto__` too. */
export const noProblems = (): Problems => Object.create(null)

/** As many as fit a form; a body of a thousand unknown fields does not deserve a thousand answers. */
const PROBLEMS_MAX = 20

/** Throws when there are problems. */
export function refuseProblems(problems: Problems): void {
  const entries = Object.entries(problems).slice(0, PROBLEMS_MAX)
  const [first] = entries
  if (!first) return
  const more = entries.length > 1 ? ` (and ${entries.length - 1} more)` : ''
  throw new DomainError('invalid', `The request is not valid: ${first.join(': ')}${more}.`, Object.fromEntries(entries))
}

type Init = Record<string, unknown>

/**
 * Reads a JSON body as a message. Names are the contract's; an unknown name or another type is a problem at its path. null
 * is the same as leaving the field out, and allowed only where a field may be left out.
 */
export function decodeMessage(desc: DescMessage, input: JsonInput, problems: Problems, path = ''): Message {
  return create(desc, decodeObject(desc, input, problems, path))
}

/** The same as a plain object to make the message from, so that path and query can be added first. */
export function decodeObject(desc: DescMessage, input: JsonInput, problems: Problems, path: string): Init {
  const init: Init = {}
  if (!(input instanceof Map)) {
    problems[path || 'body'] = 'must be an object'
    return init
  }
  const fields = new Map(restFields(desc).map((field) => [field.name, field]))
  for (const [name, value] of input) {
    const field = fields.get(name)
    const at = path ? `${path}.${name}` : name
    if (!field) problems[at.slice(0, 128)] = 'unknown field'
    else setField(init, field, decodeField(field, value, problems, at), problems, at)
  }
  return init
}

/** Puts a decoded value where create() expects it; undefined leaves the field unset. */
export function setField(init: Init, field: RestField, value: unknown, problems: Problems, path: string): void {
  if (value === undefined) return
  if (!field.oneof) init[field.localName] = value
  else if (init[field.oneof] !== undefined) problems[path] = 'cannot be combined with the other choice'
  else init[field.oneof] = { case: field.localName, value }
}

function decodeField(field: RestField, input: JsonInput, problems: Problems, path: string): unknown {
  if (input === null && (field.presence || field.repeated)) return undefined
  if (!field.repeated) return decodeValue(field.type, input, problems, path)
  if (!Array.isArray(input)) {
    problems[path] = 'must be an array'
    return undefined
  }
  return input.map((item, index) => decodeValue(field.type, item, problems, `${path}[${index}]`))
}

function decodeValue(type: ValueType, input: JsonInput, problems: Problems, path: string): unknown {
  const value = convert(type, input, problems, path)
  if (value === undefined) problems[path] ??= expectation(type)
  return value
}

/** Undefined when the input is not of the type. */
function convert(type: ValueType, input: JsonInput, problems: Problems, path: string): unknown {
  switch (type.is) {
    case 'string':
      return typeof input === 'string' ? input : undefined
    case 'bool':
      return typeof input === 'boolean' ? input : undefined
    case 'integer':
      return input instanceof JsonNumber ? toInteger(type, input.text) : undefined
    case 'enum':
      return typeof input === 'string' ? type.words.byWord.get(input) : undefined
    case 'timestamp':
      return typeof input === 'string' ? parseTime(input) : undefined
    case 'struct':
      return input instanceof Map ? plainObject(input) : undefined
    case 'message':
      return input instanceof Map ? decodeMessage(type.desc, input, problems, path) : undefined
  }
}

/** Reads one value of a path or query parameter; undefined when it is not of the type. */
export function decodeText(type: ValueType, text: string): unknown {
  switch (type.is) {
    case 'string':
      return text
    case 'bool':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'integer':
      return toInteger(type, text)
    case 'enum':
      return type.words.byWord.get(text)
    case 'timestamp':
      // The plus of an offset that the client forgot to escape arrives as a blank.
      return parseTime(text.replace(' ', '+'))
    default:
      return undefined
  }
}

/** What a value of the type has to be, for people. */
export function expectation(type: ValueType): string {
  switch (type.is) {
    case 'string':
      return 'must be a string'
    case 'bool':
      return 'must be true or false'
    case 'integer':
      return 'must be a whole number'
    case 'enum':
      return `must be one of ${[...type.words.byWord.keys()].join(', ')}`
    case 'timestamp':
      return 'must be an RFC 3339 time such as 2026-01-31T00:00:00Z'
    default:
      return 'must be an object'
  }
}

const INTEGER = /^-?(?:0|[1-9]\d{0,19})$/

function toInteger(type: ValueType & { is: 'integer' }, text: string): bigint | number | undefined {
  if (!INTEGER.test(text)) return undefined
  const value = BigInt(text)
  if (value < type.min || value > type.max) return undefined
  return type.long ? value : Number(value)
}

/** The JSON reader has refused the name `__proto__`. */
function plainObject(input: JsonObjectInput): JsonObject {
  const entries = [...input].map(([name, value]) => [name, plainValue(value)] as const)
  return Object.fromEntries(entries)
}

function plainValue(input: JsonInput): JsonValue {
  if (input instanceof JsonNumber) return Number(input.text)
  if (input instanceof Map) return plainObject(input)
  if (Array.isArray(input)) return input.map(plainValue)
  return input
}
