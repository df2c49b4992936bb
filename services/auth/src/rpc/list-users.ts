import { invalidField } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { pagination, parsePage } from '@bitka/store'
import type { AuthContext } from '../context.ts'
import * as users from '../store/users.ts'
import { decodeRole, encodeUser } from './encode.ts'

const QUERY_MAX = 254

/** Lists users for operators, newest first. */
export const listUsers =
  ({ db }: AuthContext): MethodImpl<typeof AuthService.method.listUsers> =>
  async (request) => {
    const page = parsePage(request)
    const { users: found, total } = await users.list(db, {
      prefix: prefixOf(request.query),
      role: request.role === undefined ? undefined : decodeRole(request.role, 'role'),
      limit: page.limit,
      offset: page.offset,
    })
    return { items: found.map(encodeUser), pagination: pagination(page, total) }
  }

function prefixOf(query: string | undefined): string | undefined {
  if (query === undefined || query === '') return undefined
  if (query.length > QUERY_MAX) throw invalidField('query', `must have at most ${QUERY_MAX} characters`)
  if (/\p{Cc}/u.test(query)) throw invalidField('query', 'must not have control characters')
  return query
}
