import type { Binding, PublicMethod } from '../methods.ts'
import { type RestField, restFields } from './fields.ts'

/** One REST address, ready to be matched and decoded. */
export type Route = {
  method: PublicMethod
  binding: Binding
  /** Field name → the field that a path segment gives. */
  pathFields: ReadonlyMap<string, RestField>
}

export type Match =
  | { found: 'route'; route: Route; params: ReadonlyMap<string, string> }
  | { found: 'path'; allow: readonly string[] }
  | { found: 'nothing' }

type Node = { literals: Map<string, Node>; param?: Node; routes: Map<string, Route> }

const newNode = (): Node => ({ literals: new Map(), routes: new Map() })

const PARAM = /^\{([a-z0-9_]+)\}$/
const LITERAL = /^[A-Za-z0-9._-]+$/

/**
 * Finds the method of a request. Built from the google.api.http options of the contracts; a fixed segment wins over a
 * parameter, so /v1/users/me is not the user "me".
 */
export class Router {
  readonly routes: readonly Route[]
  private readonly root = newNode()

  constructor(methods: readonly PublicMethod[]) {
    this.routes = methods.flatMap((method) => method.bindings.map((binding) => this.add(method, binding)))
  }

  match(verb: string, path: string): Match {
    const segments = path.split('/').slice(1)
    const nodes: { node: Node; values: string[] }[] = []
    collect(this.root, segments, 0, [], nodes)
    const wanted = verb === 'HEAD' ? 'GET' : verb
    for (const { node, values } of nodes) {
      const route = node.routes.get(wanted)
      if (!route) continue
      const params = [...route.pathFields.keys()].map((name, index) => [name, values[index] ?? ''] as const)
      return { found: 'route', route, params: new Map(params) }
    }
    const verbs = nodes.flatMap(({ node }) => [...node.routes.keys()])
    return verbs.length === 0 ? { found: 'nothing' } : { found: 'path', allow: allowed(verbs) }
  }

  private add(method: PublicMethod, binding: Binding): Route {
    const fields = new Map(restFields(method.desc.input).map((field) => [field.name, field]))
    const pathFields = new Map<string, RestField>()
    let node = this.root
    for (const segment of binding.path.split('/').slice(1)) {
      const [, name] = PARAM.exec(segment) ?? []
      if (name === undefined) {
        if (!LITERAL.test(segment)) throw new Error(`${method.name}: cannot read the path ${binding.path}`)
        const next = node.literals.get(segment) ?? newNode()
        node.literals.set(segment, next)
        node = next
        continue
      }
      const field = fields.get(name)
      if (!field) throw new Error(`${method.name}: the path names ${name}, which is no field`)
      pathFields.set(name, field)
      node.param ??= newNode()
      node = node.param
    }
    if (node.routes.has(binding.verb)) throw new Error(`two methods at ${binding.verb} ${binding.path}`)
    const route = { method, binding, pathFields }
    node.routes.set(binding.verb, route)
    return route
  }
}

/** The verbs of a path as an Allow header has them. */
export function allowed(verbs: readonly string[]): string[] {
  const all = new Set(verbs)
  if (all.has('GET')) all.add('HEAD')
  return [...all.add('OPTIONS')].sort()
}

/** Every node that the path can mean, the most literal first. A segment that cannot be decoded means nothing. */
function collect(
  node: Node,
  segments: string[],
  at: number,
  values: string[],
  out: { node: Node; values: string[] }[],
): void {
  const segment = segments[at]
  if (segment === undefined) {
    if (node.routes.size > 0) out.push({ node, values })
    return
  }
  const literal = node.literals.get(segment)
  if (literal) collect(literal, segments, at + 1, values, out)
  if (node.param && segment !== '') {
    const value = decodeSegment(segment)
    if (value !== undefined) collect(node.param, segments, at + 1, [...values, value], out)
  }
}

/** Undefined for what names nothing: broken escapes and control characters, which no id of ours has. */
function decodeSegment(segment: string): string | undefined {
  try {
    const value = decodeURIComponent(segment)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
    return /[\u0000-\u001f\u007f]/.test(value) ? undefined : value
  } catch {
    return undefined
  }
}
