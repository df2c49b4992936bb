import { waitFor } from '@bitka/testkit'
import { TestExchange } from './exchange.ts'
import { claimsOf, Person } from './person.ts'
import { call, dataOf, essence, refusal, success, uuid } from './rest.ts'

let exchange: TestExchange
let alice: Person
beforeAll(async () => {
  exchange = await TestExchange.start()
  alice = await exchange.person('alice')
}, 120_000)
afterAll(() => exchange?.stop())

const post = (path: string, body: unknown, token?: string) => call(exchange.url, 'POST', path, { body, token })
const jwt = expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/)
const pair = { access_token: jwt, refresh_token: expect.stringMatching(/^\S{20,}$/) }

describe('POST /v1/auth/register', () => {
  const path = '/v1/auth/register'
  const newcomer = (name: string) => ({
    username: exchange.nameOf(name),
    email: `${exchange.nameOf(name)}@example.com`,
    password: 'correct horse battery',
  })

  it('makes a user', async () => {
    expect(essence(await post(path, newcomer('carol')))).toEqual(success({ user_id: uuid }, 201))
  })

  it('ignores a bad token', async () => {
    expect(essence(await post(path, newcomer('dave'), 'nonsense'))).toEqual(success({ user_id: uuid }, 201))
  })

  it('refuses a username and an email that are taken, in any case of letters', async () => {
    const { username, email } = alice
    const other = newcomer('erin')
    expect(essence(await post(path, { ...other, username }))).toEqual(refusal('CONFLICT', path, ['username']))
    expect(essence(await post(path, { ...other, username: username.toUpperCase() }))).toMatchObject({ status: 409 })
    expect(essence(await post(path, { ...other, email: email.toUpperCase() }))).toMatchObject({ status: 409 })
  })

  it('says what is wrong with each field', async () => {
    const body = { username: 'a b', email: 'nobody', password: 'short' }
    expect(essence(await post(path, body))).toEqual(refusal('INVALID_INPUT', path, ['username', 'email', 'password']))
    expect(essence(await post(path, {}))).toEqual(refusal('INVALID_INPUT', path, ['username', 'email', 'password']))
    const more = { ...newcomer('frank'), admin: true }
    expect(essence(await post(path, more))).toEqual(refusal('INVALID_INPUT', path, ['admin']))
  })

  it('refuses what is not JSON', async () => {
    const answer = await call(exchange.url, 'POST', path, { raw: '{"username":' })
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', path, ['body']))
  })
})

describe('POST /v1/auth/login', () => {
  const path = '/v1/auth/login'

  it('gives a pair of tokens for a username or an email', async () => {
    const { username, email, password, userId } = alice
    for (const identifier of [username, email, email.toUpperCase()]) {
      const answer = await post(path, { identifier, password })
      expect(essence(answer)).toEqual(success(pair))
      expect(claimsOf(dataOf(answer.body).access_token)).toEqual({
        iss: 'bitka-auth',
        aud: 'bitka',
        sub: userId,
        sid: uuid,
        roles: ['user'],
        iat: expect.any(Number),
        exp: expect.any(Number),
        jti: expect.any(String),
      })
    }
  })

  it('answers the same whether or not the user exists', async () => {
    const wrong = await post(path, { identifier: alice.username, password: 'not the right one' })
    const unknown = await post(path, { identifier: exchange.nameOf('nobody'), password: 'not the right one' })
    expect(essence(wrong)).toEqual(refusal('UNAUTHORIZED', path))
    expect({ ...unknown.body, meta: 0 }).toEqual({ ...wrong.body, meta: 0 })
    expect(unknown.status).toBe(401)
  })

  it('says which fields are missing', async () => {
    expect(essence(await post(path, {}))).toEqual(refusal('INVALID_INPUT', path, ['identifier', 'password']))
  })
})

describe('POST /v1/auth/mfa/verify', () => {
  const path = '/v1/auth/mfa/verify'
  it('knows no token that was never given', async () => {
    const answer = await post(path, { mfa_token: 'made up', method: 'totp', code: '000000' })
    expect(essence(answer)).toEqual(refusal('UNAUTHORIZED', path))
  })
  it('refuses an unknown method', async () => {
    const answer = await post(path, { mfa_token: 'made up', method: 'guess' })
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', path, ['method']))
  })
})

describe('POST /v1/auth/refresh', () => {
  const path = '/v1/auth/refresh'

  it('trades a refresh token for a new pair; its reuse ends the session', async () => {
    const { refreshToken } = await Person.signIn(exchange.url, alice.username, alice.password)
    const first = await post(path, { refresh_token: refreshToken })
    expect(essence(first)).toEqual(success(pair))
    const { access_token, refresh_token } = dataOf(first.body)
    expect(refresh_token).not.toBe(refreshToken)
    expect((await call(exchange.url, 'GET', '/v1/users/me', { token: access_token })).status).toBe(200)

    expect(essence(await post(path, { refresh_token: refreshToken }))).toEqual(refusal('UNAUTHORIZED', path))
    expect(essence(await post(path, { refresh_token }))).toEqual(refusal('UNAUTHORIZED', path))
    await waitFor(async () => {
      const answer = await call(exchange.url, 'GET', '/v1/users/me', { token: access_token })
      return answer.status === 401
    })
  })

  it('refuses what is no token', async () => {
    expect(essence(await post(path, { refresh_token: 'made up' }))).toEqual(refusal('UNAUTHORIZED', path))
    expect(essence(await post(path, {}))).toEqual(refusal('INVALID_INPUT', path, ['refresh_token']))
  })
})

describe('POST /v1/auth/logout', () => {
  const path = '/v1/auth/logout'

  it('ends the session: refresh at once, access within seconds', async () => {
    const session = await Person.signIn(exchange.url, alice.username, alice.password)
    expect(essence(await session.post(path))).toEqual(success(null))
    const again = await post('/v1/auth/refresh', { refresh_token: session.refreshToken })
    expect(essence(again)).toEqual(refusal('UNAUTHORIZED', '/v1/auth/refresh'))
    await waitFor(async () => (await session.get('/v1/users/me')).status === 401)
    expect((await alice.get('/v1/users/me')).status).toBe(200)
  })

  it('needs a token', async () => {
    expect(essence(await post(path, {}))).toEqual(refusal('UNAUTHORIZED', path))
  })
})

describe('access tokens', () => {
  test.each([
    ['nonsense', () => 'nonsense'],
    [
      'another payload',
      () => alice.token.split('.').with(1, Buffer.from('{"sub":"x"}').toString('base64url')).join('.'),
    ],
    ['no signature', () => `${alice.token.split('.').slice(0, 2).join('.')}.`],
    ['alg none', () => `eyJhbGciOiJub25lIn0.${alice.token.split('.')[1]}.`],
  ])('%s is 401, also where none is needed', async (_name, token) => {
    for (const path of ['/v1/users/me', '/v1/marketdata/symbols', '/v1/ledger/assets']) {
      const answer = await call(exchange.url, 'GET', path, { token: token() })
      expect(essence(answer)).toEqual(refusal('UNAUTHORIZED', path))
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
    }
  })
})

describe('GET jwks.json', () => {
  test.each(['/v1/.well-known/jwks.json', '/.well-known/jwks.json'])('%s is the key set itself', async (path) => {
    const { status, headers, body } = await call(exchange.url, 'GET', path)
    const text = expect.stringMatching(/^[\w-]+$/)
    const key = { kty: 'RSA', use: 'sig', alg: 'RS256', kid: text, n: text, e: 'AQAB' }
    expect({ status, body }).toEqual({ status: 200, body: { keys: expect.arrayContaining([key]) } })
    expect(headers.get('cache-control')).toMatch(/public, ?max-age=\d+/)
    const { kid } = JSON.parse(Buffer.from(alice.token.split('.')[0] ?? '', 'base64url').toString())
    expect(body.keys.map((one: { kid: string }) => one.kid)).toContain(kid)
  })
})
