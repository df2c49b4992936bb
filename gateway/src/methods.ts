import { RestEnvelope, rest } from '@bitka/proto/bitka/options/v1/options_pb'
import { http } from '@bitka/proto/google/api/annotations_pb'
import type { HttpRule } from '@bitka/proto/google/api/http_pb'
import { type DescMethod, type DescService, getOption, hasOption } from '@bufbuild/protobuf'
import type { Owner } from './public-services.ts'

type HttpVerb = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One REST address of a method. */
export type Binding = { verb: HttpVerb; path: string; body: string }

/** Which budget a call is taken from. */
type LimitClass = 'general' | 'orders' | 'sign-in' | 'registration'

/** What the gateway knows about a public method, all of it from the contract. */
export type PublicMethod = {
  desc: DescMethod
  owner: Owner
  /** `bitka.order.v1.OrderService/CreateOrder`, for logs and metrics. */
  name: string
  /** Its REST addresses; none for streams. */
  bindings: readonly Binding[]
  status: number
  envelope: boolean
  cacheControl?: string
  weight: number
  anonymous: boolean
  ignoresToken: boolean
  /** Whether an Idempotency-Key is looked at: on POST and DELETE of signed-in callers, except to sign in and out. */
  takesIdempotencyKey: boolean
  uuidIdempotencyKey: boolean
  /** The field of the response that becomes the data. */
  responseBody?: string
  limit: LimitClass
}

/** Everything else is `general`. The contract has no word for these, since they are the gateway's own business. */
const limitClasses: Readonly<Record<string, LimitClass>> = {
  'bitka.order.v1.OrderService/CreateOrder': 'orders',
  'bitka.order.v1.OrderService/CancelOrder': 'orders',
  'bitka.auth.v1.AuthService/Login': 'sign-in',
  'bitka.auth.v1.AuthService/VerifyMfa': 'sign-in',
  'bitka.auth.v1.AuthService/Register': 'registration',
}

/** Reads the options of every method of the services. */
export const publicMethods = (services: readonly { desc: DescService; owner: Owner }[]): PublicMethod[] =>
  services.flatMap(({ desc, owner }) => desc.methods.map((method) => publicMethod(method, owner)))

function publicMethod(desc: DescMethod, owner: Owner): PublicMethod {
  const name = `${desc.parent.typeName}/${desc.name}`
  const options = getOption(desc, rest)
  const bindings = hasOption(desc, http) ? bindingsOf(getOption(desc, http)) : []
  const changes = bindings.some(
    ({ verb, path }) => (verb === 'POST' || verb === 'DELETE') && !path.startsWith('/v1/auth/'),
  )
  return {
    desc,
    owner,
    name,
    bindings,
    status: options.status || 200,
    envelope: options.envelope !== RestEnvelope.NONE,
    cacheControl: options.cacheControl || undefined,
    weight: options.weight || 1,
    anonymous: options.anonymous,
    ignoresToken: options.ignoresToken,
    takesIdempotencyKey: changes && !options.anonymous,
    uuidIdempotencyKey: options.uuidIdempotencyKey,
    responseBody: options.responseBody || undefined,
    limit: limitClasses[name] ?? 'general',
  }
}

function bindingsOf(rule: HttpRule): Binding[] {
  const { pattern, body } = rule
  if (pattern.case === undefined || pattern.case === 'custom')
    throw new Error('a google.api.http rule without a usual verb')
  const binding = { verb: pattern.case.toUpperCase() as HttpVerb, path: pattern.value, body }
  return [binding, ...rule.additionalBindings.flatMap(bindingsOf)]
}
