import { MfaMethod } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { UserLoggedInSchema, UserRegisteredSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import argon2 from 'argon2'
import { decodeJwt } from 'jose'
import { Harness, password, refusal, shown } from './harness.ts'

let on: Harness
beforeAll(async () => {
  on = await Harness.open()
})
afterAll(() => on.close())

describe('Register', () => {
  it('makes a user, announces it and writes it to the audit log', async () => {
    const { userId } = await on.auth.register({ username: 'Alice.W', email: 'Alice@Example.com', password })
    expect(
      (await on.published('identity.user.registered', UserRegisteredSchema)).map((event) => event.userId),
    ).toContain(userId)
    const [row] = await on.audited('auth.register')
    expect(row).toMatchObject({ actorId: userId, targetId: userId, profile: 'demo' })
    const { rows } = await on.db.query('select username, email, roles, password_hash from users where id = $1', [
      userId,
    ])
    expect(rows[0]).toMatchObject({ username: 'Alice.W', email: 'alice@example.com', roles: ['user'] })
    expect(rows[0]?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  })

  it('names every field at fault', async () => {
    const error = await refusal(on.auth.register({ username: 'a!', email: 'nobody', password: 'short' }))
    expect(error.kind).toBe('invalid')
    expect(Object.keys(error.details).sort()).toEqual(['email', 'password', 'username'])
  })

  it('refuses what is taken, without regard to case, and names it', async () => {
    await on.register('bob')
    const taken = { kind: 'conflict', details: { username: 'is taken' } }
    expect(await refusal(on.auth.register({ username: 'BOB', email: 'x@example.com', password }))).toMatchObject(taken)
    const both = await refusal(on.auth.register({ username: 'boB', email: 'BOB@EXAMPLE.COM', password }))
    expect(both.details).toEqual({ username: 'is taken', email: 'is taken' })
    expect(await refusal(on.auth.register({ username: 'Operator', email: 'x@example.com', password }))).toMatchObject(
      taken,
    )
  })

  it('gives a name to one of two who ask for it at once', async () => {
    const asks = [1, 2, 3].map((n) => on.auth.register({ username: 'Racer', email: `racer${n}@example.com`, password }))
    const results = await Promise.allSettled(asks)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ kind: 'conflict', details: { username: 'is taken' } })
    }
    const mails = ['left', 'right'].map((username) =>
      on.auth.register({ username, email: 'one@example.com', password }),
    )
    const outcomes = await Promise.allSettled(mails)
    const [lost] = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(lost).toMatchObject({ kind: 'conflict', details: { email: 'is taken' } })
  })
})

describe('Login', () => {
  it('works with the username and the email in any case, and says who it is', async () => {
    const { userId } = await on.register('carol')
    for (const identifier of ['carol', 'CAROL', 'Carol@Example.com']) {
      const { accessToken, refreshToken } = await on.login(identifier)
      expect(decodeJwt(accessToken)).toMatchObject({ iss: 'bitka-auth', aud: 'bitka', sub: userId, roles: ['user'] })
      expect(refreshToken).toMatch(/^[A-Za-z0-9_-]{43}$/)
    }
    expect(await on.audited('auth.login')).toContainEqual(
      expect.objectContaining({ actorId: userId, address: '198.51.100.7' }),
    )
  })

  it('keeps no refresh token as it is', async () => {
    await on.register('hal')
    const { refreshToken } = await on.login('hal')
    const { rows } = await on.db.query<{ hash: Buffer }>('select hash from refresh_tokens')
    expect(rows.every(({ hash }) => hash.length === 32 && hash.toString('base64url') !== refreshToken)).toBe(true)
  })

  it('takes the same password from another keyboard', async () => {
    await on.auth.register({ username: 'nora', email: 'nora@example.com', password: 'gro\u00df und caf\u00e9 am See' })
    await on.login('nora', { password: 'gro\u00df und cafe\u0301 am See' })
  })

  it('asks for what is missing', async () => {
    const error = await refusal(on.auth.login({ identifier: '', password: '' }))
    expect(error).toMatchObject({ kind: 'invalid', details: { identifier: 'is required', password: 'is required' } })
  })

  it('answers the same for a wrong password, nobody, somebody disabled and nonsense', async () => {
    await on.register('dave')
    const { userId } = await on.register('erin')
    await on.db.query('update users set disabled_at = now() where id = $1', [userId])
    const answers = []
    for (const [identifier, given] of [
      ['dave', 'not the password at all'],
      ['nobody-here', password],
      ['erin', password],
      ['nobody@example.com', password],
      ['no such \u0000 name', password],
      ['x'.repeat(5_000), 'y'.repeat(5_000)],
    ] as const) {
      answers.push(shown(await refusal(on.login(identifier, { password: given, from: '198.51.100.20' }))))
    }
    const same = { kind: 'unauthenticated', message: 'The username or password is wrong.', details: {} }
    expect(answers).toEqual(answers.map(() => same))
    const reasons = (await on.audited('auth.login')).filter((row) => row.errorCode === 'UNAUTHORIZED')
    expect(new Set(reasons.map((row) => row.details[0]?.value))).toEqual(
      new Set(['wrong_password', 'unknown_user', 'disabled']),
    )
  })

  it('says which sign-ins come from a new device', async () => {
    const { userId } = await on.register('frank')
    await on.login('frank', { from: '192.0.2.1', agent: 'A' })
    await on.login('frank', { from: '192.0.2.1', agent: 'A' })
    await on.login('frank', { from: '192.0.2.1', agent: 'B' })
    await on.login('frank', { from: '192.0.2.2', agent: 'A' })
    const events = await on.published('identity.user.login', UserLoggedInSchema)
    const own = events.filter((event) => event.userId === userId)
    expect(own.map((event) => event.newDevice)).toEqual([true, false, true, true])
  })

  it('slows down guessing from one network, for users and for nobody alike, and nobody elsewhere', async () => {
    await on.register('grace')
    const [shownToUser, shownToNobody] = [[], []] as unknown[][]
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      const wrong = { password: `guess number ${attempt}`, from: '198.51.100.30' }
      shownToUser?.push(shown(await refusal(on.login('grace', wrong))))
      shownToNobody?.push(shown(await refusal(on.login('gracie', wrong))))
    }
    expect(shownToUser).toEqual(shownToNobody)
    expect(shownToUser?.at(-1)).toMatchObject({ kind: 'rate_limited', details: { retry_after: '1' } })
    expect(await refusal(on.login('grace@example.com', { from: '198.51.100.30' }))).toMatchObject({
      kind: 'rate_limited',
    })
    await on.login('grace', { from: '198.51.100.31' })
    on.clock.advance(1_000)
    await on.login('grace', { from: '198.51.100.30' })
  })

  it('hashes anew what was hashed with other parameters', async () => {
    const { userId } = await on.register('heidi')
    const old = await argon2.hash(password, { type: argon2.argon2id, memoryCost: 8_192, timeCost: 1, parallelism: 1 })
    await on.db.query('update users set password_hash = $2 where id = $1', [userId, old])
    await Promise.all([on.login('heidi'), on.login('heidi')])
    const { rows } = await on.db.query<{ password_hash: string }>('select password_hash from users where id = $1', [
      userId,
    ])
    expect(rows[0]?.password_hash).toMatch(/m=19456,t=2,p=1/)
    await on.login('heidi')
  })
})

describe('VerifyMfa', () => {
  it('says what is missing, and that no factor is good', async () => {
    expect((await refusal(on.auth.verifyMfa({}))).details).toMatchObject({
      mfa_token: 'is required',
      method: expect.any(String),
    })
    const noCode = await refusal(on.auth.verifyMfa({ mfaToken: 't', method: MfaMethod.TOTP }))
    expect(noCode).toMatchObject({ kind: 'invalid', details: { code: 'is required' } })
    const noAssertion = await refusal(on.auth.verifyMfa({ mfaToken: 't', method: MfaMethod.WEBAUTHN }))
    expect(noAssertion.details).toEqual({ assertion: 'is required' })
    const unknown = await refusal(on.auth.verifyMfa({ mfaToken: 't', method: MfaMethod.TOTP, code: '123456' }))
    expect(unknown.kind).toBe('unauthenticated')
  })
})
