import { DomainError, invalidField } from '@bitka/kernel'

/** A number as it was written, so that a large integer keeps every digit and 1.0 can be told from 1. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

export type JsonInput = null | boolean | string | JsonNumber | JsonInput[] | JsonObjectInput
export type JsonObjectInput = Map<string, JsonInput>

/** No request of ours is deeper than metadata; what is deeper wants to exhaust a stack somewhere. */
const DEPTH_MAX = 20
/** Enough to find the field; the caller may have made the name up. */
const PATH_LENGTH_MAX = 128

const WHITESPACE = /[\t\n\r ]*/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259 forbids bare control characters in strings
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const WORDS = { true: true, false: false, null: null } as const

/**
 * Reads JSON more strictly than JSON.parse: a name given twice in one object, nesting deeper than 20 and text that is not
 * Unicode are refused, since two readers of one body could understand them differently.
 * @throws DomainError invalid
 */
export function parseJson(bytes: Uint8Array): JsonInput {
  return new Parser(decodeUtf8(bytes)).parse()
}

/** Neither a half of a character nor U+0000. */
export const isPlainText = (text: string): boolean => !/[\0\p{Surrogate}]/u.test(text)

/** The same from text. */
export const parseJsonText = (text: string): JsonInput => new Parser(text).parse()

const malformed = (reason: string): DomainError =>
  new DomainError('invalid', 'The request body is not valid JSON.', { body: reason })

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed('is not UTF-8')
  }
}

/** Some readers of JSON take it for an object's prototype, and lose it. */
const PROTOTYPE = '__proto__'

class Parser {
  private at = 0
  /** Where the value that is being read stands: `.name` and `[index]` of what it is in. */
  private readonly path: string[] = []

  constructor(private readonly text: string) {}

  parse(): JsonInput {
    const value = this.value(0)
    this.skip()
    if (this.at !== this.text.length) throw this.unexpected()
    return value
  }

  private value(depth: number): JsonInput {
    if (depth > DEPTH_MAX) throw malformed(`is nested deeper than ${DEPTH_MAX}`)
    this.skip()
    const next = this.text[this.at]
    if (next === '{') return this.object(depth)
    if (next === '[') return this.array(depth)
    if (next === '"') return this.string()
    for (const word of ['true', 'false', 'null'] as const) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length
        return WORDS[word]
      }
    }
    const number = this.match(NUMBER)
    if (!Number.isFinite(Number(number))) throw malformed('holds a number that is too large')
    return new JsonNumber(number)
  }

  private object(depth: number): JsonObjectInput {
    const members: JsonObjectInput = new Map()
    this.at += 1
    if (this.take('}')) return members
    do {
      this.skip()
      const name = this.string()
      this.path.push(`.${name}`)
      if (members.has(name)) throw this.wrong('is given twice')
      if (name === PROTOTYPE) throw this.wrong('is no name of a field')
      if (!this.take(':')) throw this.unexpected()
      members.set(name, this.value(depth + 1))
      this.path.pop()
    } while (this.take(','))
    if (!this.take('}')) throw this.unexpected()
    return members
  }

  private array(depth: number): JsonInput[] {
    const items: JsonInput[] = []
    this.at += 1
    if (this.take(']')) return items
    do {
      this.path.push(`[${items.length}]`)
      items.push(this.value(depth + 1))
      this.path.pop()
    } while (this.take(','))
    if (!this.take(']')) throw this.unexpected()
    return items
  }

  private string(): string {
    const text: string = JSON.parse(this.match(STRING))
    // PostgreSQL stores neither, and no name or text of a person needs them.
    if (!isPlainText(text)) throw this.wrong('holds text that is not Unicode')
    return text
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const [found] = pattern.exec(this.text) ?? []
    if (found === undefined) throw this.unexpected()
    this.at += found.length
    return found
  }

  private take(sign: string): boolean {
    this.skip()
    if (this.text[this.at] !== sign) return false
    this.at += 1
    return true
  }

  private skip(): void {
    WHITESPACE.lastIndex = this.at
    this.at += (WHITESPACE.exec(this.text)?.[0] ?? '').length
  }

  /** It is JSON, but not what a field may hold. */
  private wrong(reason: string): DomainError {
    const field = this.path.join('').replace(/^\./, '').slice(0, PATH_LENGTH_MAX)
    return field === '' ? malformed(reason) : invalidField(field, reason)
  }

  private unexpected(): DomainError {
    return malformed(this.at >= this.text.length ? 'ends too early' : `is not JSON at character ${this.at}`)
  }
}
