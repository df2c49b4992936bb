import { invalidField, isUuid } from '@bitka/kernel'
import { type CallContext, userOf } from '@bitka/mesh'
import { requestHash } from '@bitka/store'
import { type DescMessage, type JsonObject, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf'
import type { AnswerKey } from '../domain/model.ts'

/** JSON with the names of every object in one order, so that equal requests have equal bytes. */
function canonicalJson(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value ?? null)
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${canonicalJson(item)}`).join(',')}}`
}

const hashOf = <S extends DescMessage>(ctx: CallContext, schema: S, req: MessageShape<S>): Buffer =>
  requestHash(ctx.method, canonicalJson(toJson(schema, req)))

/** The key under which the answer to this request is kept for good; undefined when the caller sent none. */
export function answerKey<S extends DescMessage>(
  ctx: CallContext,
  schema: S,
  req: MessageShape<S>,
): AnswerKey | undefined {
  const key = ctx.idempotencyKey
  if (key === undefined) return undefined
  if (!isUuid(key)) throw invalidField('Idempotency-Key', 'must be a UUID')
  const scope = ctx.method
  return { scope, userId: userOf(ctx).userId, key: key.toLowerCase(), requestHash: hashOf(ctx, schema, req) }
}

const DESCRIPTION_MAX = 200
const METADATA_KEYS_MAX = 16
const METADATA_BYTES_MAX = 1_024

export function readDescription(text: string | undefined, field = 'description'): string | undefined {
  if (text === undefined || text === '') return undefined
  if ([...text].length > DESCRIPTION_MAX) throw invalidField(field, `must have at most ${DESCRIPTION_MAX} characters`)
  // The database's text has no place for it.
  if (text.includes('\u0000')) throw invalidField(field, 'must not contain a NUL character')
  return text
}

export function readMetadata(metadata: JsonObject | undefined): JsonObject | undefined {
  if (metadata === undefined) return undefined
  const names = Object.keys(metadata)
  if (names.length > METADATA_KEYS_MAX) throw invalidField('metadata', `must have at most ${METADATA_KEYS_MAX} keys`)
  const text = JSON.stringify(metadata)
  if (Buffer.byteLength(text) > METADATA_BYTES_MAX) throw invalidField('metadata', 'must be at most 1 KiB of JSON')
  if (text.includes('\\u0000')) throw invalidField('metadata', 'must not contain a NUL character')
  return names.length === 0 ? undefined : metadata
}
