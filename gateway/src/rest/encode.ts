import type { DescMessage, JsonObject, Message } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { type RestField, restFields, type ValueType } from './fields.ts'
import { formatTime } from './time.ts'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
export type JsonRecord = { [name: string]: Json }

/**
 * Writes a message in the REST dialect. Left out: what is unset, empty strings and enums without presence. Written always:
 * lists, numbers and booleans without presence. An unset `nullable` field is null.
 */
export function encodeMessage(desc: DescMessage, message: Message): JsonRecord {
  const out: JsonRecord = {}
  for (const field of restFields(desc)) {
    const value = encodeField(field, read(message, field))
    if (value !== undefined) out[field.name] = value
    else if (field.nullable) out[field.name] = null
  }
  return out
}

/** One field's value, with the rules of its place; undefined when it is left out. */
export function encodeField(field: RestField, value: unknown): Json | undefined {
  if (field.repeated) return Array.isArray(value) ? value.map((item) => encodeValue(field.type, item) ?? null) : []
  return value === undefined || (value === '' && !field.presence) ? undefined : encodeValue(field.type, value)
}

/** The property of a generated message behind a field. */
export function read(message: Message, field: RestField): unknown {
  const holder = message as unknown as Record<string, unknown>
  if (!field.oneof) return holder[field.localName]
  const choice = holder[field.oneof] as { case?: string; value?: unknown }
  return choice.case === field.localName ? choice.value : undefined
}

function encodeValue(type: ValueType, value: unknown): Json | undefined {
  switch (type.is) {
    case 'string':
      return value as string
    case 'bool':
      return value as boolean
    case 'integer':
      return toNumber(value as bigint | number)
    case 'enum':
      return type.words.byNumber.get(value as number)
    case 'timestamp':
      return formatTime(value as Timestamp)
    case 'struct':
      return value as JsonObject as JsonRecord
    case 'message':
      return encodeMessage(type.desc, value as Message)
  }
}

/** Sequence numbers and counts stay far below 2^53; money is never an integer here but a string. */
function toNumber(value: bigint | number): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new Error('an integer is too large for JSON')
  return number
}
