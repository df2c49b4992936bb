import { comments } from '@bitka/proto/comments'
import type { DescMessage } from '@bufbuild/protobuf'
import { type RestField, restFields, type ValueType } from '../rest/fields.ts'

export type Schema = { [key: string]: unknown }

/** The comment of a thing in the contracts. */
export const commentOf = (typeName: string): string | undefined => comments[typeName]

/** Collects the schemas of messages, each once, under a name that is short where it can be. */
export class Schemas {
  readonly all: Record<string, Schema> = {}
  private readonly names = new Map<string, string>()

  /** A reference to an answer's message: its fields as they are written. */
  response(message: DescMessage): Schema {
    return this.reference(message, false)
  }

  /** A reference to a request's message, without the fields that have another place. */
  request(message: DescMessage, without: ReadonlySet<string> = new Set()): Schema {
    return this.reference(message, true, without)
  }

  /** One field. */
  field(field: RestField, request: boolean): Schema {
    const { type, repeated, desc } = field
    const one = this.value(type, request)
    const schema = repeated ? { type: 'array', items: one } : one
    const description = commentOf(`${desc.parent.typeName}.${desc.name}`)
    const nullable = !request && field.nullable ? orNull(schema) : schema
    return description === undefined ? nullable : { ...nullable, description }
  }

  private reference(message: DescMessage, request: boolean, without: ReadonlySet<string> = new Set()): Schema {
    const name = this.nameOf(message)
    if (!this.all[name]) {
      // Named before it is filled, since a message may hold itself.
      const schema: Schema = { type: 'object' }
      this.all[name] = schema
      Object.assign(schema, this.object(message, request, without))
    }
    return { $ref: `#/components/schemas/${name}` }
  }

  private object(message: DescMessage, request: boolean, without: ReadonlySet<string>): Schema {
    const fields = restFields(message).filter(({ name }) => !without.has(name))
    const properties = Object.fromEntries(fields.map((field) => [field.name, this.field(field, request)]))
    const required = fields
      .filter((field) => (request ? isNeeded(field) : isAlwaysThere(field)))
      .map(({ name }) => name)
    return {
      description: commentOf(message.typeName),
      properties,
      ...(required.length > 0 && { required }),
      ...(request && { additionalProperties: false }),
    }
  }

  private nameOf(message: DescMessage): string {
    const known = this.names.get(message.typeName)
    if (known !== undefined) return known
    const taken = new Set(this.names.values())
    const name = taken.has(message.name) ? message.typeName.replaceAll('.', '_') : message.name
    this.names.set(message.typeName, name)
    return name
  }

  private value(type: ValueType, request: boolean): Schema {
    switch (type.is) {
      case 'string':
        return { type: 'string' }
      case 'bool':
        return { type: 'boolean' }
      case 'integer':
        return { type: 'integer', format: type.long ? 'int64' : 'int32' }
      case 'enum':
        return { type: 'string', enum: [...type.words.byWord.keys()] }
      case 'timestamp':
        return { type: 'string', format: 'date-time' }
      case 'struct':
        return { type: 'object', additionalProperties: true }
      case 'message':
        return request ? this.request(type.desc) : this.response(type.desc)
    }
  }
}

const orNull = (schema: Schema): Schema =>
  typeof schema.type === 'string' ? { ...schema, type: [schema.type, 'null'] } : { anyOf: [schema, { type: 'null' }] }

/** A request's field without presence has no way to be left out; services refuse its zero. */
const isNeeded = (field: RestField): boolean => !field.presence && !field.repeated

/** What an answer always has: lists, numbers, booleans, and what may be null. */
const isAlwaysThere = ({ presence, repeated, nullable, type }: RestField): boolean =>
  repeated || nullable || (!presence && (type.is === 'integer' || type.is === 'bool'))
