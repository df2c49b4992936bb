import { REDACTED } from '@bitka/kernel'
import { DataClass, data_class } from '@bitka/proto/bitka/options/v1/options_pb'
import { type DescField, type DescMessage, getOption, type Message, toJson } from '@bufbuild/protobuf'
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect'

/** What a log writes in place of a value that has no readable form. */
const UNREADABLE = '[unreadable]'

/** What a log may hold of a message. */
export type Redacted = { [field: string]: unknown }

/**
 * A message as a log may show it: field names as in the .proto, secrets and personal data replaced. A field without a class is
 * replaced too, unless it is a message, which is then gone through.
 */
export function redactMessage(desc: DescMessage, message: Message): Redacted {
  return redact(reflect(desc, message))
}

function redact(message: ReflectMessage): Redacted {
  const shown: Redacted = {}
  for (const field of message.fields) {
    if (!message.isSet(field)) continue
    shown[field.name] = mayShow(field) ? show(message, field) : REDACTED
  }
  return shown
}

const isMessage = (field: DescField): boolean =>
  field.fieldKind === 'message' ||
  (field.fieldKind === 'list' && field.listKind === 'message') ||
  (field.fieldKind === 'map' && field.mapKind === 'message')

const cache = new WeakMap<DescField, boolean>()

function mayShow(field: DescField): boolean {
  const known = cache.get(field)
  if (known !== undefined) return known
  const dataClass = getOption(field, data_class)
  const open = dataClass === DataClass.PUBLIC || dataClass === DataClass.CONFIDENTIAL
  const shown = open || (dataClass === DataClass.UNSPECIFIED && isMessage(field))
  cache.set(field, shown)
  return shown
}

function show(message: ReflectMessage, field: DescField): unknown {
  switch (field.fieldKind) {
    case 'message':
      return showMessage(message.get(field))
    case 'list': {
      const list = message.get(field)
      return Array.from(list, (item) =>
        field.listKind === 'message' ? showMessage(item as ReflectMessage) : showValue(item),
      )
    }
    case 'map': {
      const entries = Array.from(message.get(field), ([key, item]) => [
        String(key),
        field.mapKind === 'message' ? showMessage(item as ReflectMessage) : showValue(item),
      ])
      return Object.fromEntries(entries)
    }
    case 'enum': {
      const value = message.get(field)
      return field.enum.value[value]?.name ?? value
    }
    case 'scalar':
      return showValue(message.get(field))
  }
}

/** Well-known types have no classes of their own and one readable form: a time, a duration. */
function showMessage(message: ReflectMessage): unknown {
  if (!message.desc.typeName.startsWith('google.protobuf.')) return redact(message)
  try {
    return toJson(message.desc, message.message)
  } catch {
    // A time of the year 10000 has no JSON form, and a log line must not end the process.
    return UNREADABLE
  }
}

function showValue(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`
  return value
}
