import { DomainError, ManualClock } from '@bitka/kernel'
import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWTPayload, SignJWT } from 'jose'
import { createTokenVerifier, RevocationList, type VerifyToken } from '../src/index.ts'
import { Harness, refusal } from './harness.ts'

type Key = Awaited<ReturnType<typeof makeKey>>

async function makeKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } }
}

let first: Key
let second: Key
let clock: ManualClock
let keys: JSONWebKeySet
let fetches: number
let revoked: RevocationList
let verify: VerifyToken

beforeAll(async () => {
  ;[first, second] = await Promise.all([makeKey('k1'), makeKey('k2')])
})

beforeEach(() => {
  clock = new ManualClock()
  keys = { keys: [first.jwk] }
  fetches = 0
  revoked = new RevocationList(clock)
  verify = createTokenVerifier({
    jwks: async () => {
      fetches += 1
      return keys
    },
    isRevoked: (sessionId) => revoked.isRevoked(sessionId),
    clock,
  })
})

function sign(claims: JWTPayload = {}, key: Key = first): Promise<string> {
  const nowSeconds = Math.floor(clock.nowMs() / 1000)
  const good = { iss: 'bitka-auth', aud: 'bitka', sub: 'u1', sid: 's1', roles: ['user'], exp: nowSeconds + 900 }
  return new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: 'RS256', kid: key.kid }).sign(key.privateKey)
}

describe('an access token', () => {
  it('says who the person is; a role that we do not know gives nothing', async () => {
    const identity = await verify(await sign({ roles: ['user', 'operator', 'emperor'] }))
    expect(identity).toEqual({
      userId: 'u1',
      sessionId: 's1',
      roles: ['user', 'operator'],
      expiresAtMs: clock.nowMs() + 900_000,
    })
  })

  it.each<[string, JWTPayload]>([
    ['issued by another', { iss: 'somebody' }],
    ['for another audience', { aud: 'elsewhere' }],
    ['that has expired', { exp: 1 }],
    ['that never expires', { exp: undefined }],
    ['without a session', { sid: undefined }],
    ['without a user', { sub: undefined }],
    ['without roles', { roles: undefined }],
  ])('%s is refused', async (_name, claims) => {
    expect(await refusal(verify(await sign(claims)))).toMatchObject({ kind: 'unauthenticated' })
  })

  it('signed in another way is refused', async () => {
    const secret = new TextEncoder().encode('x'.repeat(32))
    const symmetric = await new SignJWT({ sub: 'u1' }).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret)
    const [, payload] = (await sign()).split('.')
    const unsigned = `${Buffer.from('{"alg":"none","kid":"k1"}').toString('base64url')}.${payload}.`
    const forged = await sign({}, { ...second, kid: 'k1' })
    const nameless = await new SignJWT({ sub: 'u1' }).setProtectedHeader({ alg: 'RS256' }).sign(first.privateKey)
    for (const token of [symmetric, unsigned, forged, nameless, 'x', 'x'.repeat(5_000)]) {
      expect(await refusal(verify(token))).toMatchObject({ kind: 'unauthenticated' })
    }
  })

  it('is never believed past its end, even from the cache', async () => {
    const token = await sign({ exp: Math.floor(clock.nowMs() / 1000) + 3 })
    await verify(token)
    clock.advance(2_900)
    await verify(token)
    clock.advance(200)
    expect(await refusal(verify(token))).toMatchObject({ kind: 'unauthenticated' })
  })

  it('of a revoked session is refused at once', async () => {
    const token = await sign()
    await verify(token)
    revoked.revoke('s1', clock.nowMs() + 900_000)
    expect(await refusal(verify(token))).toMatchObject({ kind: 'unauthenticated' })
  })
})

describe('the keys', () => {
  it('are asked for again when a token names a new one, but not for each made-up one', async () => {
    await verify(await sign())
    expect(fetches).toBe(1)
    keys = { keys: [first.jwk, second.jwk] }
    expect(await refusal(verify(await sign({}, second)))).toMatchObject({ kind: 'unauthenticated' })
    clock.advance(3_000)
    await verify(await sign({}, second))
    expect(fetches).toBe(2)
    for (const kid of ['a', 'b', 'c']) await refusal(verify(await sign({}, { ...second, kid })))
    expect(fetches).toBe(2)
  })

  it('that auth has withdrawn stop working', async () => {
    const verifyAgain = async () => verify(await sign({ jti: String(clock.nowMs()) }))
    await verifyAgain()
    keys = { keys: [second.jwk] }
    clock.advance(301_000)
    expect(await refusal(verifyAgain())).toMatchObject({ kind: 'unauthenticated' })
  })

  it('that cannot be had make tokens uncheckable, not bad', async () => {
    const lost = createTokenVerifier({ jwks: () => Promise.reject(new Error('down')), isRevoked: () => false, clock })
    expect(await refusal(lost(await sign()))).toMatchObject({ kind: 'unavailable' })
  })
})

describe('the revocation list', () => {
  it('forgets what has expired by itself', () => {
    for (let id = 0; id < 3_000; id += 1) {
      revoked.revoke(`s${id}`, clock.nowMs() + 10)
      clock.advance(1)
    }
    expect(revoked.size).toBeLessThan(1_100)
    expect(revoked.isRevoked('s2999')).toBe(true)
    clock.advance(10)
    expect(revoked.isRevoked('s2999')).toBe(false)
    revoked.revoke('old', clock.nowMs())
    expect(revoked.isRevoked('old')).toBe(false)
  })
})

describe('a method for users', () => {
  let harness: Harness
  beforeAll(async () => {
    harness = await Harness.open()
  })
  afterAll(() => harness.close())

  const verifyToken: VerifyToken = async (token) => {
    if (token === 'down') throw new DomainError('unavailable', 'Access tokens cannot be checked right now.')
    if (!token.startsWith('good')) throw new DomainError('unauthenticated', 'The access token is bad.')
    const role = token === 'good-operator' ? 'operator' : 'user'
    return { userId: token, sessionId: 's', roles: [role], expiresAtMs: Number.POSITIVE_INFINITY }
  }

  it.each([
    // method, token, what comes of it
    ['whoAmI', undefined, 'unauthenticated'],
    ['whoAmI', 'bad', 'unauthenticated'],
    ['whoAmI', 'down', 'unavailable'],
    ['whoAmI', 'two words', 'unauthenticated'],
    ['operate', 'good', 'forbidden'],
    ['operate', 'good-operator', 'ok'],
    ['look', undefined, ''],
    ['look', 'good', 'good'],
    ['look', 'bad', 'unauthenticated'],
    ['signIn', 'bad', ''],
    ['signIn', 'down', ''],
    ['signIn', 'good', 'good'],
  ] as const)('%s with %s: %s', async (method, token, expected) => {
    const server = await harness.serve({ verifyToken })
    const call = harness.client(server, 'gateway')[method]({ text: 'ok' }, { token })
    const outcome = await call.then(
      ({ text }) => text,
      (error: DomainError) => error.kind,
    )
    expect(outcome).toBe(expected)
    await server.drain(0)
  })
})
