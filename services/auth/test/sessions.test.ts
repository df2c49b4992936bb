import { PasswordChangedSchema, SessionRevokedSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import { waitFor } from '@bitka/testkit'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { decodeJwt } from 'jose'
import { Harness, password, refusal } from './harness.ts'

let on: Harness
beforeAll(async () => {
  on = await Harness.open()
})
afterAll(() => on.close())

const sessionOf = (token: string): string => String(decodeJwt(token).sid)
const revoked = async (): Promise<string[]> =>
  (await on.published('identity.session.revoked', SessionRevokedSchema)).map((event) => event.sessionId)
const isRefused = async (refreshToken: string): Promise<void> => {
  expect((await refusal(on.auth.refresh({ refreshToken }))).kind).toBe('unauthenticated')
}

describe('Refresh', () => {
  it('gives a new pair of the same session', async () => {
    await on.register('alice')
    const first = await on.login('alice')
    const second = await on.auth.refresh({ refreshToken: first.refreshToken })
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(sessionOf(second.accessToken)).toBe(sessionOf(first.accessToken))
    expect(decodeJwt(second.accessToken).jti).not.toBe(decodeJwt(first.accessToken).jti)
  })

  it('ends the whole family when a spent token comes back', async () => {
    await on.register('bob')
    const stolen = await on.login('bob')
    const other = await on.login('bob')
    const next = await on.auth.refresh({ refreshToken: stolen.refreshToken })
    await isRefused(stolen.refreshToken)
    await isRefused(next.refreshToken)
    expect(await revoked()).toContain(sessionOf(stolen.accessToken))
    const [row] = await on.audited('auth.refresh')
    expect(row).toMatchObject({ targetId: sessionOf(stolen.accessToken), errorCode: 'UNAUTHORIZED' })
    await on.auth.refresh({ refreshToken: other.refreshToken })
  })

  it('lets one of two at once win, and takes the other for a thief', async () => {
    await on.register('carol')
    for (let round = 0; round < 5; round += 1) {
      const { refreshToken, accessToken } = await on.login('carol')
      const results = await Promise.allSettled([1, 2, 3].map(() => on.auth.refresh({ refreshToken })))
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      expect(won).toHaveLength(1)
      for (const { refreshToken: next } of won) await isRefused(next)
      expect(await revoked()).toContain(sessionOf(accessToken))
    }
  })

  it('refuses what it never gave, what is malformed and what has expired', async () => {
    await on.register('dave')
    const { refreshToken } = await on.login('dave')
    await isRefused('A'.repeat(43))
    await isRefused('no token \u0000 at all')
    expect((await refusal(on.auth.refresh({}))).details).toEqual({ refresh_token: 'is required' })
    on.clock.advance(7 * 86_400_000)
    await isRefused(refreshToken)
  })

  it('gives the roles of now', async () => {
    const { userId } = await on.register('eve')
    const { refreshToken } = await on.login('eve')
    await on.db.query(`update users set roles = '{user,support}' where id = $1`, [userId])
    const { accessToken } = await on.auth.refresh({ refreshToken })
    expect(decodeJwt(accessToken).roles).toEqual(['user', 'support'])
  })
})

describe('Logout', () => {
  it('ends the session: the refresh token at once, the access token as soon as the event is round', async () => {
    await on.register('frank')
    const { as, accessToken, refreshToken } = await on.login('frank')
    await on.auth.logout({}, as)
    await isRefused(refreshToken)
    const [event] = (await on.published('identity.session.revoked', SessionRevokedSchema)).slice(-1)
    expect(event?.sessionId).toBe(sessionOf(accessToken))
    expect(event?.tokensExpireAt && timestampMs(event.tokensExpireAt)).toBe(Number(decodeJwt(accessToken).exp) * 1_000)
    expect((await on.audited('auth.logout')).at(-1)?.targetId).toBe(sessionOf(accessToken))
    await waitFor(async () => {
      const error = await refusal(on.auth.logout({}, as).then(() => Promise.reject(new Error('still good'))))
      return error.kind === 'unauthenticated'
    })
    const { sessions } = await on.directory('gateway').listRevokedSessions({})
    expect(sessions.map(({ sessionId }) => sessionId)).toContain(sessionOf(accessToken))
    on.clock.advance(15 * 60_000)
    expect((await on.directory('gateway').listRevokedSessions({})).sessions).toEqual([])
  })

  it('needs a token that is still good', async () => {
    expect((await refusal(on.auth.logout({}))).kind).toBe('unauthenticated')
    await on.register('gil')
    const { as } = await on.login('gil')
    on.clock.advance(15 * 60_000 + 1_000)
    expect((await refusal(on.auth.logout({}, as))).kind).toBe('unauthenticated')
  })
})

describe('ChangePassword', () => {
  const next = 'a new and better phrase'

  it('ends every other session, keeps its own, and the new password works', async () => {
    const { userId } = await on.register('heidi')
    const [own, other] = [await on.login('heidi'), await on.login('heidi')]
    await on.auth.changePassword({ currentPassword: password, newPassword: next }, own.as)
    await isRefused(other.refreshToken)
    await on.auth.refresh({ refreshToken: own.refreshToken })
    await on.login('heidi', { password: next })
    expect((await refusal(on.login('heidi'))).kind).toBe('unauthenticated')
    expect((await on.published('identity.password.changed', PasswordChangedSchema)).at(-1)?.userId).toBe(userId)
    expect(await revoked()).toContain(sessionOf(other.accessToken))
    expect((await on.audited('auth.change-password')).at(-1)).toMatchObject({ actorId: userId, errorCode: '' })
  })

  it('names the wrong field, and slows down guessing', async () => {
    await on.register('ivan')
    const { as } = await on.login('ivan')
    const change = (currentPassword: string, newPassword: string) =>
      refusal(on.auth.changePassword({ currentPassword, newPassword }, as))
    expect(await change('wrong', next)).toMatchObject({ kind: 'invalid', details: { current_password: 'is wrong' } })
    expect((await change(password, 'short')).details).toEqual({ new_password: 'must have at least 12 characters' })
    expect((await change(password, 'my name is ivan, yes')).details).toEqual({
      new_password: 'must not contain the username',
    })
    expect((await change(password, password)).details).toHaveProperty('new_password')
    expect((await change('', '')).details).toEqual({ current_password: 'is required', new_password: 'is required' })
    for (let attempt = 2; attempt <= 5; attempt += 1) expect((await change('wrong', next)).kind).toBe('invalid')
    expect((await change('wrong', next)).kind).toBe('rate_limited')
    expect((await on.audited('auth.change-password')).at(-1)).toMatchObject({ errorCode: 'INVALID_INPUT' })
  })

  it('answers a repeat under its idempotency key with the first answer', async () => {
    await on.register('judy')
    const { as } = await on.login('judy')
    const call = { ...as, edge: { ...as.edge, idempotencyKey: 'once' } }
    const request = { currentPassword: password, newPassword: next }
    await on.auth.changePassword(request, call)
    await on.auth.changePassword(request, call)
    const another = await refusal(on.auth.changePassword({ ...request, newPassword: 'something else again' }, call))
    expect(another.kind).toBe('conflict')
    const { rows } = await on.db.query(`select * from sign_in_failures where network = '198.51.100.7' and account =
      sha256(convert_to('user:' || (select id from users where username = 'judy'), 'UTF8'))`)
    expect(rows).toEqual([])
  })

  it('lets no session begin with a password that was changed meanwhile', async () => {
    const { userId } = await on.register('kim')
    const own = await on.login('kim')
    const logins = Promise.allSettled([1, 2, 3, 4].map(() => on.login('kim')))
    await on.auth.changePassword({ currentPassword: password, newPassword: next }, own.as)
    await logins
    const { rows } = await on.db.query('select id from sessions where user_id = $1 and ended_at is null', [userId])
    expect(rows).toEqual([{ id: sessionOf(own.accessToken) }])
  })
})
