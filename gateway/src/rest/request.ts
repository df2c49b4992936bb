import { DomainError } from '@bitka/kernel'
import { create, type Message } from '@bufbuild/protobuf'
import { decodeObject, decodeText, expectation, noProblems, type Problems, refuseProblems, setField } from './decode.ts'
import { type RestField, restFields } from './fields.ts'
import { isPlainText, parseJson } from './json.ts'
import type { Route } from './router.ts'

type Init = Record<string, unknown>

/**
 * Makes the request message of a route from path, query and body. Every field has one place: the path where the template
 * names it, the body where the route has one, the query else.
 * @throws DomainError invalid, naming every field at fault
 */
export function decodeRequest(
  route: Route,
  params: ReadonlyMap<string, string>,
  query: string,
  body: Uint8Array,
): Message {
  const { method, binding } = route
  const problems = noProblems()
  const init = decodeBody(route, body, problems)
  applyPath(init, route, params, problems)
  applyQuery(init, binding.body === '' ? queryFields(route) : new Map(), query, problems)
  const isObject = binding.body === '*' && problems.body === undefined
  if (isObject && Object.keys(problems).length > 0) nameMissing(init, route, problems)
  refuseProblems(problems)
  return create(method.desc.input, init)
}

/** Services know best what they need; but who is refused before they are asked should hear of what is missing, too. */
function nameMissing(init: Init, { method, pathFields }: Route, problems: Problems): void {
  for (const { name, localName, presence, repeated, oneof } of restFields(method.desc.input)) {
    const isNeeded = !presence && !repeated && oneof === undefined && !pathFields.has(name)
    const isBad = Object.keys(problems).some((path) => path === name || path.startsWith(`${name}.`))
    if (isNeeded && !isBad && init[localName] === undefined) problems[name] = 'is required'
  }
}

/** The fields that a route takes from the query. */
export const queryFields = (route: Route): ReadonlyMap<string, RestField> =>
  new Map(
    restFields(route.method.desc.input)
      .filter(({ name }) => !route.pathFields.has(name))
      .map((field) => [field.name, field]),
  )

/** An absent body is an empty one: every field of a body has its own rule about being absent. */
function decodeBody({ method, binding }: Route, body: Uint8Array, problems: Problems): Init {
  if (binding.body === '' || body.length === 0) return {}
  const input = parseJson(body)
  if (binding.body === '*') return decodeObject(method.desc.input, input, problems, '')
  return decodeObject(method.desc.input, new Map([[binding.body, input]]), problems, '')
}

/** A body may repeat what the path says, as a client that sends a whole thing back does, but not contradict it. */
function applyPath(init: Init, route: Route, params: ReadonlyMap<string, string>, problems: Problems): void {
  for (const [name, field] of route.pathFields) {
    const value = decodeText(field.type, params.get(name) ?? '')
    if (value === undefined) throw new DomainError('not_found', 'There is no such thing.')
    const repeated = init[field.localName]
    if (repeated !== undefined && repeated !== value) problems[name] = 'differs from the path'
    init[field.localName] = value
  }
}

function applyQuery(init: Init, fields: ReadonlyMap<string, RestField>, query: string, problems: Problems): void {
  for (const [name, texts] of parseQuery(query)) {
    const field = fields.get(name)
    if (!field || field.type.is === 'message' || field.type.is === 'struct') {
      problems[name.slice(0, 128)] = 'unknown parameter'
    } else if (!field.repeated && texts.length > 1) problems[name] = 'is given more than once'
    else if (!texts.every(isGiven)) problems[name] = 'is not plain text'
    else {
      const values = texts.map((text) => decodeText(field.type, text))
      if (values.includes(undefined)) problems[name] = expectation(field.type)
      else setField(init, field, field.repeated ? values : values[0], problems, name)
    }
  }
}

const isGiven = (text: string | undefined): text is string => text !== undefined && isPlainText(text)

/** Name → its values; undefined for one that is not UTF-8 or whose escapes are broken, which URLSearchParams would guess at. */
function parseQuery(query: string): Map<string, (string | undefined)[]> {
  const values = new Map<string, (string | undefined)[]>()
  for (const part of query.split('&')) {
    if (part === '') continue
    const [name = '', ...rest] = part.split('=')
    const key = decodeQueryText(name) ?? name
    const known = values.get(key) ?? []
    if (known.length === 0) values.set(key, known)
    known.push(decodeQueryText(rest.join('=')))
  }
  return values
}

function decodeQueryText(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
