import { DomainError, type ErrorDetails, invalidField } from '@bitka/kernel'
import { CandleIntervalSchema } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { enumWords } from '../rest/fields.ts'
import { type JsonInput, JsonNumber, type JsonObjectInput, parseJsonText } from '../rest/json.ts'
import { publicChannels, type Topic } from './feed.ts'
import { type PrivateChannelName, privateChannels } from './private-channel.ts'

export type MessageId = string | number

/** What a client may say. */
export type ClientMessage =
  | { op: 'subscribe' | 'unsubscribe'; topic: Topic }
  | { op: 'subscribe' | 'unsubscribe'; privateChannel: PrivateChannelName; sinceFillId?: string }
  | { op: 'auth'; token: string }
  | { op: 'ping' }

const FIELDS = {
  subscribe: ['channel', 'symbol', 'interval', 'since_fill_id'],
  unsubscribe: ['channel', 'symbol', 'interval'],
  auth: ['token'],
  ping: [],
} as const

type Op = keyof typeof FIELDS
const isOp = (word: unknown): word is Op => typeof word === 'string' && Object.hasOwn(FIELDS, word)

/** The object of a text frame. @throws DomainError invalid */
export function parseFrame(text: string): JsonObjectInput {
  let input: JsonInput
  try {
    input = parseJsonText(text)
  } catch (error) {
    const details: ErrorDetails = error instanceof DomainError ? error.details : {}
    throw new DomainError('invalid', 'The message is not valid JSON.', details)
  }
  if (!(input instanceof Map)) throw new DomainError('invalid', 'The message must be a JSON object.')
  return input
}

/** The id that an answer repeats; undefined when there is none. @throws DomainError invalid */
export function messageId(input: JsonObjectInput): MessageId | undefined {
  const id = input.get('id')
  if (id === undefined || id === null) return undefined
  if (typeof id === 'string' && id.length <= 64) return id
  const number = id instanceof JsonNumber ? Number(id.text) : undefined
  if (number !== undefined && Number.isSafeInteger(number)) return number
  throw invalidField('id', 'must be a short string or a whole number')
}

/** @throws DomainError invalid, not_found */
export function parseMessage(input: JsonObjectInput): ClientMessage {
  const op = input.get('op')
  if (!isOp(op)) throw invalidField('op', `must be one of ${Object.keys(FIELDS).join(', ')}`)
  const known: readonly string[] = ['op', 'id', ...FIELDS[op]]
  for (const name of input.keys()) {
    if (!known.includes(name)) throw invalidField(name.slice(0, 64), 'is not a field of this message')
  }
  if (op === 'ping') return { op }
  if (op === 'auth') return { op, token: text(input, 'token') }
  return { op, ...subscription(input) }
}

function subscription(
  input: JsonObjectInput,
): { topic: Topic } | { privateChannel: PrivateChannelName; sinceFillId?: string } {
  const name = text(input, 'channel')
  const privateChannel = privateChannels.find((channel) => channel === name)
  const sinceFillId = input.has('since_fill_id') ? text(input, 'since_fill_id') : undefined
  if (sinceFillId !== undefined && privateChannel !== 'fills') {
    throw invalidField('since_fill_id', 'belongs to the channel fills')
  }
  if (privateChannel) return { privateChannel, sinceFillId }
  const channel = publicChannels.find((known) => known === name)
  if (!channel) throw invalidField('channel', `must be one of ${[...publicChannels, ...privateChannels].join(', ')}`)
  const symbol = text(input, 'symbol')
  if (channel !== 'candles') return { topic: { channel, symbol } }
  const interval = text(input, 'interval')
  const { byWord } = enumWords(CandleIntervalSchema)
  const intervalValue = byWord.get(interval)
  if (intervalValue === undefined) throw invalidField('interval', `must be one of ${[...byWord.keys()].join(', ')}`)
  return { topic: { channel, symbol, interval, intervalValue } }
}

function text(input: JsonObjectInput, name: string): string {
  const value = input.get(name)
  if (typeof value !== 'string' || value === '') throw invalidField(name, 'must be a string')
  return value
}
