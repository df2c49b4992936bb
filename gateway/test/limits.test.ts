import { LoginRequestSchema } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { create } from '@bufbuild/protobuf'
import { readConfig } from '../src/config.ts'
import { addressKey, networkKey } from '../src/edge/address.ts'
import { MemoryLimiter } from '../src/edge/limiter.ts'
import { Limits, limitHeaders } from '../src/edge/limits.ts'
import { publicMethods } from '../src/methods.ts'
import { publicServices } from '../src/public-services.ts'
import { Refusal } from '../src/rest/errors.ts'

const base = { SPIFFE_ENDPOINT_SOCKET: '/nowhere', BITKA_PROFILE: 'demo' }
const limits = (env: Record<string, string> = {}) => new Limits(new MemoryLimiter(), readConfig({ ...base, ...env }))
const method = (name: string) => {
  const found = publicMethods(publicServices).find(({ desc }) => desc.name === name)
  if (!found) throw new Error(`no method ${name}`)
  return found
}
const user = { userId: 'u1', sessionId: 's1', roles: [], expiresAtMs: 0 }
const refusalOf = async (call: Promise<unknown>): Promise<Refusal> => {
  const error = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof Refusal)) throw new Error('not refused')
  return error
}

describe('limits', () => {
  it('count anonymous callers by address', async () => {
    const counted = limits({ BITKA_LIMIT_ANONYMOUS_PER_MINUTE: '2' })
    const time = method('GetTime')
    await counted.admit(time, { address: '192.0.2.1' })
    const consumed = await counted.admit(time, { address: '192.0.2.1' })
    expect(limitHeaders(consumed)).toEqual({
      'RateLimit-Policy': '"anonymous";q=2;w=60',
      RateLimit: expect.stringMatching(/^"anonymous";r=0;t=\d+$/),
    })
    const { answer } = await refusalOf(counted.admit(time, { address: '192.0.2.1' }))
    expect(answer).toMatchObject({ status: 429, code: 'RATE_LIMITED' })
    expect(Number(answer.headers?.['Retry-After'])).toBeGreaterThan(0)
    await counted.admit(time, { address: '192.0.2.2' })
  })

  it('count signed-in callers by user and weight, wherever they are', async () => {
    const counted = limits({ BITKA_LIMIT_USER_PER_MINUTE: '10' })
    const history = method('GetOrderBookHistory') // weighs 5
    await counted.admit(history, { address: '192.0.2.1', user })
    const [consumed] = await counted.admit(history, { address: '192.0.2.2', user })
    expect(consumed).toMatchObject({ remaining: 0 })
    await refusalOf(counted.admit(history, { address: '192.0.2.3', user }))
  })

  it('let a burst of orders through, apart from everything else', async () => {
    const counted = limits({ BITKA_LIMIT_USER_PER_MINUTE: '1' })
    const order = method('CreateOrder')
    for (let index = 0; index < 300; index += 1) await counted.admit(order, { address: '192.0.2.1', user })
    const { answer } = await refusalOf(counted.admit(order, { address: '192.0.2.1', user }))
    expect(answer.headers).toMatchObject({
      'RateLimit-Policy': '"orders";q=300;w=3',
      'Retry-After': expect.stringMatching(/^[123]$/),
    })
  })

  it('count sign-ins by account and network, without regard to case', async () => {
    const counted = limits()
    const as = (identifier: string) => create(LoginRequestSchema, { identifier })
    for (let index = 0; index < 10; index += 1) await counted.admitSignIn(as('Alice'), '192.0.2.1')
    await refusalOf(counted.admitSignIn(as(' alice'), '192.0.2.200'))
    await counted.admitSignIn(as('bob'), '192.0.2.1')
    // Whoever floods an account from elsewhere does not lock its owner out.
    await counted.admitSignIn(as('alice'), '198.51.100.1')
  })

  it('count registrations an hour: 30, and 600 in the demo', async () => {
    const policy = async (env: Record<string, string>) =>
      limitHeaders(await limits(env).admit(method('Register'), { address: '192.0.2.1' }))['RateLimit-Policy']
    expect(await policy({})).toBe('"registration";q=600;w=3600')
    expect(await policy({ BITKA_PROFILE: 'production' })).toBe('"registration";q=30;w=3600')
  })

  it('are multiplied by the scale, and off at 0', async () => {
    const consumed = await limits({ BITKA_RATE_LIMIT_SCALE: '2.5' }).admit(method('GetTime'), { address: '192.0.2.1' })
    expect(consumed[0]?.budget.points).toBe(300)
    expect(await limits({ BITKA_RATE_LIMIT_SCALE: '0' }).admit(method('GetTime'), { address: '192.0.2.1' })).toEqual([])
  })
})

test.each([
  ['192.0.2.7', '192.0.2.7', '192.0.2.0/24'],
  ['2001:db8::1', '2001:db8:0:0::/64', '2001:db8:0:0::/64'],
  ['2001:db8:0:0:9:8:7:6', '2001:db8:0:0::/64', '2001:db8:0:0::/64'], // one household
  ['2001:0DB8:1:2::', '2001:db8:1:2::/64', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64', '0:0:0:0::/64'],
])('the address %s counts as %s, its network as %s', (address, key, network) => {
  expect([addressKey(address), networkKey(address)]).toEqual([key, network])
})

describe('config', () => {
  const problem = (env: Record<string, string>): string => {
    try {
      readConfig({ SPIFFE_ENDPOINT_SOCKET: '/nowhere', ...env })
      return 'fine'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  it.each([
    [{ BITKA_PROFILE: 'demo' }, 'fine'],
    [{ BITKA_PROFILE: 'demo', BITKA_HTTP_HOST: '0.0.0.0' }, 'BITKA_DEMO_PUBLIC=yes'],
    [{ BITKA_PROFILE: 'demo', BITKA_HTTP_HOST: '0.0.0.0', BITKA_DEMO_PUBLIC: 'yes' }, 'fine'],
    [{ BITKA_PROFILE: 'demo', BITKA_HTTP_HOST: '0.0.0.0', BITKA_TLS_IDENTITY: 'yes' }, 'BITKA_DEMO_PUBLIC=yes'],
    [{ BITKA_HTTP_HOST: '0.0.0.0' }, 'without TLS only loopback'],
    [{ BITKA_HTTP_HOST: '0.0.0.0', BITKA_DEMO_PUBLIC: 'yes' }, 'without TLS only loopback'],
    [{ BITKA_HTTP_HOST: '0.0.0.0', BITKA_TLS_IDENTITY: 'yes' }, 'fine'],
    [{ BITKA_TLS_CERT: 'x' }, 'set both or neither'],
    [{ BITKA_RATE_LIMIT_SCALE: '0' }, 'only in the demo profile'],
    [{ BITKA_CORS_ORIGINS: 'https://a.example,*' }, 'must be a list of origins'],
  ])('%j: %s', (env, expected) => {
    expect(problem(env)).toContain(expected)
  })
})
