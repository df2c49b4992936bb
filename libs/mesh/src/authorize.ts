import { DomainError } from '@bitka/kernel'
import { rest } from '@bitka/proto/bitka/options/v1/options_pb'
import { type DescMethod, type DescService, getOption } from '@bufbuild/protobuf'
import type { Metadata } from '@grpc/grpc-js'
import { header, headers } from './headers.ts'
import { type ServiceName, serviceNames } from './names.ts'
import { type MethodPolicy, type Role, roles, type UserIdentity, type VerifyToken } from './types.ts'

/** Refuses to start with a policy that does not name each method once, or names callers or roles that do not exist. */
export function checkPolicy(service: DescService, policy: Readonly<Record<string, MethodPolicy>>): void {
  const methods = service.methods.map((method) => method.localName)
  for (const name of methods)
    if (!Object.hasOwn(policy, name)) throw new Error(`${service.typeName}.${name} has no policy`)
  for (const [name, rule] of Object.entries(policy)) {
    const at = `the policy of ${service.typeName}.${name}`
    if (!methods.includes(name)) throw new Error(`${at} is for no method of the service`)
    const unknown =
      rule.kind === 'internal'
        ? rule.callers.find((caller) => !serviceNames.includes(caller))
        : rule.kind === 'user'
          ? rule.roles?.find((role) => !roles.includes(role))
          : undefined
    if (unknown !== undefined) throw new Error(`${at} names ${unknown}, which does not exist`)
  }
}

/** The services that may call a method at all. */
const callersOf = (policy: MethodPolicy): readonly ServiceName[] =>
  policy.kind === 'internal' ? policy.callers : ['gateway']

/** Whoever is not listed is refused; so is whatever shows an identity that is no service of ours. */
export function checkCaller(policy: MethodPolicy, caller: ServiceName | undefined): asserts caller is ServiceName {
  if (caller === undefined || !callersOf(policy).includes(caller)) {
    throw new DomainError('forbidden', 'The calling service may not use this method.')
  }
}

/** The person behind the call, where the method's policy has one. */
export async function identifyUser(
  policy: MethodPolicy,
  method: DescMethod,
  metadata: Metadata,
  verifyToken: VerifyToken | undefined,
): Promise<UserIdentity | undefined> {
  if (policy.kind === 'internal') return undefined
  const token = bearerToken(metadata)
  if (policy.kind === 'anonymous') {
    if (token === undefined) return undefined
    if (!getOption(method, rest)?.ignoresToken) return verify(token.value, verifyToken)
    return verify(token.value, verifyToken).catch(nobody)
  }
  if (token === undefined) throw new DomainError('unauthenticated', 'This needs an access token.')
  const user = await verify(token.value, verifyToken)
  if (policy.roles && !hasRole(user, policy.roles)) {
    throw new DomainError('forbidden', 'This is not allowed for your account.')
  }
  return user
}

const hasRole = (user: UserIdentity, allowed: readonly Role[]): boolean =>
  user.roles.some((role) => allowed.includes(role))

/** A bad token where none is needed and the method says so: as if none had come. Other failures stay failures. */
function nobody(error: unknown): undefined {
  if (error instanceof DomainError && error.kind !== 'internal') return undefined
  throw error
}

/** Undefined without the header; a header of another form is a token that cannot be good. */
function bearerToken(metadata: Metadata): { value: string | undefined } | undefined {
  const authorization = header(metadata, headers.authorization)
  if (authorization === undefined) return undefined
  return { value: /^Bearer ([\x21-\x7e]+)$/i.exec(authorization)?.[1] }
}

async function verify(token: string | undefined, verifyToken: VerifyToken | undefined): Promise<UserIdentity> {
  if (!verifyToken) throw new Error('the server was started without verifyToken but has methods that need it')
  if (token === undefined)
    throw new DomainError('unauthenticated', 'The access token is missing, malformed or expired.')
  return verifyToken(token)
}
