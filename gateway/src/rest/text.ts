import { DomainError, invalidField } from '@bitka/kernel'
import type { DescMessage, Message } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { read } from './encode.ts'
import { restFields } from './fields.ts'
import { isPlainText } from './json.ts'
import { isStorable } from './time.ts'

/** What the JSON reader refuses in texts and times, for messages that came in another encoding. @throws DomainError invalid */
export function checkText(desc: DescMessage, message: Message): void {
  for (const field of restFields(desc)) {
    const value = read(message, field)
    for (const one of field.repeated && Array.isArray(value) ? value : [value]) {
      if (field.type.is === 'message') {
        if (one !== undefined) checkText(field.type.desc, one as Message)
      } else if (field.type.is === 'struct') checkStruct(field.name, one, 0)
      else if (field.type.is === 'timestamp') checkTime(field.name, one as Timestamp | undefined)
      else if (typeof one === 'string' && !isPlainText(one)) throw invalidField(field.name, 'is not plain text')
    }
  }
}

function checkTime(name: string, time: Timestamp | undefined): void {
  if (time !== undefined && !isStorable(time)) throw invalidField(name, 'must be a time between the years 100 and 9999')
}

const DEPTH_MAX = 20

function checkStruct(name: string, value: unknown, depth: number): void {
  if (depth > DEPTH_MAX)
    throw new DomainError('invalid', 'An object is nested too deeply.', { [name]: 'is nested too deeply' })
  if (typeof value === 'string' && !isPlainText(value)) throw invalidField(name, 'is not plain text')
  if (typeof value === 'number' && !Number.isFinite(value)) throw invalidField(name, 'holds what is no number')
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (!isPlainText(key)) throw invalidField(name, 'is not plain text')
    checkStruct(name, member, depth + 1)
  }
}
