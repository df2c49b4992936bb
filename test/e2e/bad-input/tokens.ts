import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto'
import { waitFor } from '@bitka/testkit'
import { Person } from '../person.ts'
import { expectCommon, expectRefusal } from './expected.ts'
import { type Json, send } from './raw.ts'
import { routes } from './routes.ts'
import type { World } from './world.ts'

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part = ''): Json => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 })

const ignoring = ['/v1/auth/register', '/v1/auth/login', '/v1/auth/refresh', '/v1/auth/mfa/verify']

/** Authorization headers that speak for nobody, made from a real token and the real keys. */
async function badHeaders(world: World): Promise<string[]> {
  const token = world.token('alice')
  const [head = '', payload = '', signature = ''] = token.split('.')
  const { body: jwks } = await world.send({ path: '/.well-known/jwks.json' })
  const [key] = jwks.keys as JsonWebKey[]
  const pem = createPublicKey({ key: key!, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
  const admin = encode({ ...decode(payload), roles: ['user', 'operator', 'admin', 'treasury'] })
  const signed = (text: string): string =>
    `${text}.${sign('RSA-SHA256', Buffer.from(text), foreign.privateKey).toString('base64url')}`
  const hmac = (secret: string): string => {
    const text = `${encode({ ...decode(head), alg: 'HS256' })}.${admin}`
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  }
  const tokens = [
    'x',
    'a.b.c',
    '..',
    `${head}.${payload}.`,
    `${head}.${payload}`,
    `${head}.${admin}.${signature}`,
    `${head}.${payload}.${signature.slice(0, -4)}AAAA`,
    `${token}.${signature}`,
    `${encode({ alg: 'none' })}.${admin}.`,
    `${encode({ alg: 'none', kid: key?.kid })}.${admin}.`,
    `${encode({ alg: 'NoNe', kid: key?.kid })}.${admin}.${signature}`,
    hmac(pem),
    hmac(String(key?.n)),
    hmac(''),
    signed(`${head}.${payload}`),
    signed(`${encode({ alg: 'RS256', kid: 'made-up' })}.${admin}`),
    signed(`${encode({ alg: 'RS256', jwk: foreign.publicKey.export({ format: 'jwk' }) })}.${admin}`),
    signed(`${encode({ alg: 'RS256', kid: key?.kid, jku: 'https://evil.test/jwks.json' })}.${admin}`),
    signed(`${encode({ alg: 'RS256', kid: key?.kid, crit: ['x'] })}.${admin}`),
    world.people.alice.refreshToken,
    'x'.repeat(5_000),
  ]
  const others = [
    '',
    'Bearer',
    'Bearer ',
    'Basic YWxpY2U6eA==',
    token,
    `Token ${token}`,
    `Bearer ${token} ${token}`,
    `Bearer "${token}"`,
  ]
  return [...tokens.map((one) => `Bearer ${one}`), ...others]
}

/** Who asks: tokens that are none. */
export function tokenSuite(at: () => World): void {
  it('a bad token is 401 on every route, also where none is needed', async () => {
    const world = at()
    const headers = await badHeaders(world)
    const { body } = await world.send({ path: '/openapi.json' })
    const gets = Object.entries(body.paths as Record<string, object>)
      .filter(
        ([path, operations]) => 'get' in operations && /^\/(v1|\.well-known)\//.test(path) && !path.endsWith('/stream'),
      )
      .map(([path]) => ({ method: 'GET', path: path.replace(/\{[a-z_]+\}/g, 'x') }))
    const changes = Object.entries(routes).map(([name, example]) => {
      const [method = ''] = name.split(' ')
      return { method, path: example.path(world), body: example.body(world) }
    })
    const all = [...gets, ...changes].filter(({ path }) => !ignoring.includes(path))
    expect(all.length).toBeGreaterThan(45)
    // Every header on some routes of each kind, and some headers of each kind on every route.
    const some = all.filter(({ path }) =>
      /\/(me|time|assets|orders|transactions|roles|symbols|jwks\.json|mailgun)$/.test(path),
    )
    for (const [index, authorization] of headers.entries()) {
      await Promise.all(
        (index % 4 === 0 ? all : some).map(async (one) => {
          const answer = await world.send({ ...one, headers: { authorization } })
          if (answer.status !== 401)
            throw new Error(`${one.method} ${one.path} ${authorization.slice(0, 60)}: ${answer.text}`)
          expectRefusal(answer, { status: 401 })
        }),
      )
    }
    await world.expectUnchanged()
  })

  it('no token is 401 where one is needed', async () => {
    const world = at()
    const needing = Object.entries(routes).filter(([, { as }]) => as !== undefined)
    await Promise.all(
      needing.map(async ([name, example]) => {
        const [method = ''] = name.split(' ')
        const answer = await world.send({ method, path: example.path(world), body: example.body(world) })
        expectRefusal(answer, { status: 401 })
      }),
    )
    for (const path of [
      '/v1/orders',
      '/v1/fills',
      '/v1/fees',
      '/v1/users/me',
      '/v1/ledger/accounts',
      '/v1/admin/users',
    ]) {
      expectRefusal(await world.send({ path }), { status: 401 })
    }
    await world.expectUnchanged()
  })

  it('signing in ignores it', async () => {
    const world = at()
    const { alice } = world.people
    const body = { identifier: alice.username, password: alice.password }
    for (const authorization of ['Bearer x', 'Basic x', '']) {
      const answer = await world.send({ method: 'POST', path: '/v1/auth/login', body, headers: { authorization } })
      expect(answer.status).toBe(200)
      expectCommon(answer)
      for (const path of ignoring) {
        const refused = await world.send({ method: 'POST', path, body: {}, headers: { authorization } })
        expect([path, refused.status]).toEqual([path, 400])
      }
    }
  })

  it('the scheme is read without regard to case', async () => {
    const authorization = `bEARER ${at().token('alice')}`
    expect((await at().send({ path: '/v1/users/me', headers: { authorization } })).status).toBe(200)
  })

  it('an expired token is 401, on anonymous routes too', async () => {
    // The other gateway's clock is past the token's end.
    const port = await at().gateway({}, 16 * 60_000)
    const token = at().token('alice')
    for (const path of ['/v1/users/me', '/v1/orders', '/v1/time', '/v1/ledger/assets', '/v1/marketdata/symbols']) {
      expectRefusal(await send(port, { path, token }), { status: 401 })
    }
  })

  it('a session that was ended is 401 within seconds, everywhere', async () => {
    const world = at()
    const { alice } = world.people
    const again = await Person.signIn(world.url, alice.username, alice.password)
    const out = await again.post('/v1/auth/logout')
    expect([out.status, out.body.data]).toEqual([200, null])
    const { token } = again
    for (const path of ['/v1/users/me', '/v1/orders', '/v1/ledger/accounts', '/v1/time']) {
      await waitFor(async () => (await world.send({ path, token })).status === 401, { timeoutMs: 10_000 })
      expectRefusal(await world.send({ path, token }), { status: 401 })
    }
    const body = { refresh_token: again.refreshToken }
    expectRefusal(await world.send({ method: 'POST', path: '/v1/auth/refresh', body }), { status: 401 })
    expect((await world.as('alice', { path: '/v1/users/me' })).status).toBe(200)
  })
}
