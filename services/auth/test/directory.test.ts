import type { ServiceName } from '@bitka/mesh'
import { AuthService, DirectoryService, DirectoryUserSchema } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { type Db, openDb } from '@bitka/store'
import { storePermissionSuite } from '@bitka/testkit'
import { create } from '@bufbuild/protobuf'
import { authPolicy, directoryPolicy } from '../src/policy.ts'
import { Harness, refusal } from './harness.ts'

let on: Harness
let app: Db
beforeAll(async () => {
  on = await Harness.open()
  app = openDb({ url: on.database.of('auth').appUrl, schema: 'auth', poolSize: 1 })
})
afterAll(async () => {
  await app.close()
  await on.close()
})

describe('DirectoryService', () => {
  it('resolves a username to whom money can go', async () => {
    const { userId } = await on.register('Alice')
    const directory = on.directory('ledger')
    expect(await directory.resolveUsername({ username: 'aLICE' })).toMatchObject({ userId, username: 'Alice' })
    await on.db.query('update users set disabled_at = now() where id = $1', [userId])
    for (const username of ['alice', 'nobody', '', 'a\u0000b']) {
      expect((await refusal(directory.resolveUsername({ username }))).kind).toBe('not_found')
    }
  })

  it('says who people are, those that exist', async () => {
    const { userId, email } = await on.register('bob')
    const directory = on.directory('user')
    const { users } = await directory.getUsers({
      userIds: [userId, 'x', '01890000-0000-7000-8000-000000000000', userId],
    })
    expect(users).toEqual([expect.objectContaining({ userId, username: 'bob', email, disabled: false })])
    expect(users[0]?.createdAt).toBeDefined()
    // The ledger asks only whether somebody exists.
    const asked = await on.directory('ledger').getUsers({ userIds: [userId, '01890000-0000-7000-8000-000000000000'] })
    expect(asked.users).toEqual([create(DirectoryUserSchema, { userId })])
    const many = await refusal(directory.getUsers({ userIds: new Array<string>(101).fill(userId) }))
    expect(many.kind).toBe('invalid')
  })
})

describe('callers', () => {
  const callers: readonly ServiceName[] = ['gateway', 'ledger', 'user', 'order']
  const allowed = (rule: (typeof directoryPolicy)[keyof typeof directoryPolicy]): readonly ServiceName[] =>
    rule.kind === 'internal' ? rule.callers : ['gateway']
  const matrix = [
    ...AuthService.methods.map((method) => [AuthService, method.localName, authPolicy] as const),
    ...DirectoryService.methods.map((method) => [DirectoryService, method.localName, directoryPolicy] as const),
  ]

  it.each(matrix)('%s %s answers its callers and refuses all others', async (desc, name, policy) => {
    const rule = Reflect.get(policy, name)
    for (const caller of callers) {
      const method: unknown = Reflect.get(on.client(desc, caller), name)
      if (typeof method !== 'function') throw new Error(`no method ${name}`)
      const outcome: unknown = await method({}).catch((error: unknown) => error)
      const wrongCaller = expect.objectContaining({ message: 'The calling service may not use this method.' })
      if (allowed(rule).includes(caller)) expect(outcome).not.toEqual(wrongCaller)
      else expect(outcome).toEqual(wrongCaller)
    }
  })
})

storePermissionSuite({
  service: 'auth',
  appDb: () => app,
  ownerTables: { insertOnly: ['service_profile', 'devices'] },
  foreignSchemas: ['ledger'],
})

it('the app role may not delete a user, nor change who they are', async () => {
  for (const sql of ['delete from users', `update users set email = ''`, `update users set username_key = ''`]) {
    await expect(app.query(sql)).rejects.toThrow(/permission denied/)
  }
})
