import { ConfigError } from '@bitka/kernel'
import { Role } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { AuditActorKind } from '@bitka/proto/bitka/events/v1/audit_pb'
import { SessionRevokedSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import { decodeJwt } from 'jose'
import { Harness, operator, refusal } from './harness.ts'

let on: Harness
let admin: Awaited<ReturnType<Harness['login']>>
beforeAll(async () => {
  on = await Harness.open()
  admin = await on.loginOperator()
})
afterAll(() => on.close())

const NOBODY = '01890000-0000-7000-8000-000000000000'
const operatorId = () => String(decodeJwt(admin.accessToken).sub)
const lastAudit = async (action: string) => (await on.audited(action)).at(-1)

describe('the first operator', () => {
  it('has every role', () => {
    expect(decodeJwt(admin.accessToken).roles).toEqual([
      'user',
      'support',
      'compliance',
      'treasury',
      'operator',
      'admin',
      'auditor',
    ])
  })

  it('is made once, whatever later starts say', async () => {
    await on.stop()
    await on.start({ BITKA_OPERATOR_EMAIL: 'other@bitka.test', BITKA_OPERATOR_PASSWORD: 'another long phrase' })
    const { rows } = await on.db.query(`select email from users where 'admin' = any (roles)`)
    expect(rows).toEqual([{ email: operator.email }])
    expect(await on.audited('auth.create-operator')).toHaveLength(1)
  })

  it.each([
    [{ BITKA_OPERATOR_EMAIL: 'nobody' }, /BITKA_OPERATOR_EMAIL: must be a mail address/],
    [{ BITKA_OPERATOR_PASSWORD: 'tooshort-pw' }, /BITKA_OPERATOR_PASSWORD: must have at least 12/],
    [{ BITKA_OPERATOR_EMAIL: undefined }, /BITKA_OPERATOR_EMAIL: required/],
    [{ BITKA_AUTH_KEK: 'too short' }, /BITKA_AUTH_KEK/],
  ])('is refused when the environment is bad: %o', async (env, message) => {
    const error: unknown = await Harness.open(env).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConfigError)
    expect(String(error)).toMatch(message)
    expect(String(error)).not.toContain('tooshort-pw')
  })
})

describe('the profile', () => {
  it('of the first start stays', async () => {
    await on.stop()
    await expect(on.start({ BITKA_PROFILE: 'production' })).rejects.toThrow(/BITKA_PROFILE/)
    await on.start()
  })

  it('production gives two operators no power as long as there are no second factors', async () => {
    const production = await Harness.open({
      BITKA_PROFILE: 'production',
      BITKA_OPERATOR2_EMAIL: 'ops2@bitka.test',
      BITKA_OPERATOR2_PASSWORD: 'a second lighthouse',
    })
    const { as } = await production.login('operator2', { password: 'a second lighthouse' })
    expect((await refusal(production.auth.listUsers({}, as))).kind).toBe('forbidden')
    await production.auth.logout({}, as)
    await production.close()
  })
})

describe('ListUsers', () => {
  it('lists newest first, by page, prefix and role', async () => {
    for (const name of ['zoe.one', 'Zoe.two', 'zoe_three']) await on.register(name)
    const names = async (request: Parameters<typeof on.auth.listUsers>[0]) =>
      (await on.auth.listUsers(request, admin.as)).items.map(({ username }) => username)
    expect(await names({ query: 'ZOE' })).toEqual(['zoe_three', 'Zoe.two', 'zoe.one'])
    expect(await names({ query: 'zoe_' })).toEqual(['zoe_three'])
    expect(await names({ query: 'zoe.two@exam' })).toEqual(['Zoe.two'])
    expect(await names({ query: 'zoe', page: 2, perPage: 2 })).toEqual(['zoe.one'])
    expect(await names({ role: Role.ADMIN })).toEqual(['operator'])
    expect(await names({ query: '%' })).toEqual([])
    const { items, pagination } = await on.auth.listUsers({ query: 'zoe', perPage: 2 }, admin.as)
    expect(items[0]).toMatchObject({ email: 'zoe_three@example.com', roles: [Role.USER], disabled: false })
    expect(pagination).toMatchObject({ page: 1, perPage: 2, total: 3n, totalPages: 2 })
  })

  it('refuses nonsense, and whoever is no operator', async () => {
    for (const request of [{ perPage: 201 }, { page: 0 }, { query: 'a\u0000b' }, { role: 99 as Role }]) {
      expect((await refusal(on.auth.listUsers(request, admin.as))).kind).toBe('invalid')
    }
    await on.register('plain')
    expect((await refusal(on.auth.listUsers({}, (await on.login('plain')).as))).kind).toBe('forbidden')
    expect((await refusal(on.auth.listUsers({}))).kind).toBe('unauthenticated')
  })
})

describe('SetRoles', () => {
  it('sets roles, ends the sessions, and the next sign-in has them', async () => {
    const { userId } = await on.register('sam')
    const old = await on.login('sam')
    const { user } = await on.auth.setRoles({ userId, roles: [Role.SUPPORT, Role.SUPPORT] }, admin.as)
    expect(user?.roles).toEqual([Role.USER, Role.SUPPORT])
    expect((await refusal(on.auth.refresh({ refreshToken: old.refreshToken }))).kind).toBe('unauthenticated')
    const ended = (await on.published('identity.session.revoked', SessionRevokedSchema)).map((event) => event.sessionId)
    expect(ended).toContain(decodeJwt(old.accessToken).sid)
    expect(await lastAudit('admin.user.set-roles')).toMatchObject({
      actorKind: AuditActorKind.OPERATOR,
      actorId: operatorId(),
      targetId: userId,
    })
    const now = await on.login('sam')
    expect(decodeJwt(now.accessToken).roles).toEqual(['user', 'support'])
    // The same again changes nothing.
    await on.auth.setRoles({ userId, roles: [Role.USER, Role.SUPPORT] }, admin.as)
    await on.auth.refresh({ refreshToken: now.refreshToken })
  })

  it('refuses unknown roles, unknown users, oneself, and operators who are no admins', async () => {
    const { userId } = await on.register('tom')
    const set = (id: string, roles: Role[], as = admin.as) => refusal(on.auth.setRoles({ userId: id, roles }, as))
    expect(await set(userId, [Role.UNSPECIFIED])).toMatchObject({
      kind: 'invalid',
      details: { roles: 'is not a role' },
    })
    expect(await set(userId, [42 as Role])).toMatchObject({ kind: 'invalid' })
    // An empty request must not take everything from somebody.
    expect(await set(userId, [])).toMatchObject({ kind: 'invalid', details: { roles: 'must name at least one role' } })
    expect((await set(NOBODY, [Role.USER])).kind).toBe('not_found')
    expect((await set('me', [Role.USER])).kind).toBe('not_found')
    expect((await set(operatorId(), [Role.USER])).kind).toBe('forbidden')
    await on.auth.setRoles({ userId, roles: [Role.OPERATOR] }, admin.as)
    const { as } = await on.login('tom')
    expect((await set(operatorId(), [Role.USER], as)).kind).toBe('forbidden')
    await on.auth.listUsers({}, as)
  })

  it('never leaves the exchange without an admin, even when two admins unmake each other at once', async () => {
    const { userId } = await on.register('uma')
    await on.auth.setRoles({ userId, roles: [Role.ADMIN] }, admin.as)
    const uma = await on.login('uma')
    const results = await Promise.allSettled([
      on.auth.setRoles({ userId, roles: [Role.USER] }, admin.as),
      on.auth.setRoles({ userId: operatorId(), roles: [Role.USER] }, uma.as),
    ])
    const kinds = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.kind] : []))
    // Who comes second is refused: as the last admin, or, where the first is done already, as an admin no more.
    expect(kinds).toEqual([expect.stringMatching(/^(conflict|forbidden|unauthenticated)$/)])
    const { rows } = await on.db.query(`select id from users where 'admin' = any (roles)`)
    expect(rows).toHaveLength(1)
    const all = [Role.ADMIN, Role.OPERATOR, Role.AUDITOR, Role.COMPLIANCE, Role.SUPPORT, Role.TREASURY]
    const names = 'user support compliance treasury operator admin auditor'.split(' ')
    expect(all).toHaveLength(names.length - 1)
    await on.db.query(`update users set roles = $2 where id = $1`, [operatorId(), names])
    await on.db.query(`update users set roles = '{user}' where id = $1`, [userId])
    admin = await on.loginOperator()
  })
})

describe('DisableUser and EnableUser', () => {
  it('refuses sign-ins and ends sessions until enabled', async () => {
    const { userId } = await on.register('vic')
    const { refreshToken } = await on.login('vic')
    const { user } = await on.auth.disableUser({ userId, reason: 'asked by phone' }, admin.as)
    expect(user?.disabled).toBe(true)
    expect((await refusal(on.login('vic'))).kind).toBe('unauthenticated')
    expect((await refusal(on.auth.refresh({ refreshToken }))).kind).toBe('unauthenticated')
    expect(await lastAudit('admin.user.disable')).toMatchObject({
      targetId: userId,
      details: [expect.objectContaining({ value: 'asked by phone' })],
    })
    expect((await on.auth.disableUser({ userId }, admin.as)).user?.disabled).toBe(true)
    expect(await on.audited('admin.user.disable')).toHaveLength(1)
    expect((await on.auth.enableUser({ userId }, admin.as)).user?.disabled).toBe(false)
    await on.login('vic')
    expect((await lastAudit('admin.user.enable'))?.targetId).toBe(userId)
  })

  it('remembers what a key decided', async () => {
    const { userId } = await on.register('wes')
    const call = { ...admin.as, edge: { ...admin.as.edge, idempotencyKey: 'k1' } }
    await on.auth.disableUser({ userId }, call)
    await on.auth.enableUser({ userId }, admin.as)
    expect((await on.auth.disableUser({ userId }, call)).user?.disabled).toBe(true)
    await on.login('wes')
    expect((await refusal(on.auth.disableUser({ userId: operatorId() }, call))).kind).toBe('conflict')
  })

  it('refuses oneself, unknown users, the last admin and long reasons', async () => {
    const disable = (userId: string, reason?: string, as = admin.as) =>
      refusal(on.auth.disableUser({ userId, reason }, as))
    expect((await disable(operatorId())).kind).toBe('forbidden')
    expect((await disable(NOBODY)).kind).toBe('not_found')
    expect((await disable('x')).kind).toBe('not_found')
    expect((await disable(NOBODY, 'x'.repeat(201))).details).toHaveProperty('reason')
    expect((await refusal(on.auth.enableUser({ userId: operatorId() }, admin.as))).kind).toBe('forbidden')
    expect((await refusal(on.auth.enableUser({ userId: NOBODY }, admin.as))).kind).toBe('not_found')
    const { userId } = await on.register('xia')
    await on.auth.setRoles({ userId, roles: [Role.OPERATOR] }, admin.as)
    expect((await disable(operatorId(), undefined, (await on.login('xia')).as)).kind).toBe('conflict')
  })
})
