import { TestExchange } from './exchange.ts'
import { Person } from './person.ts'
import { call, essence, refusal, sentence, success, time } from './rest.ts'

let exchange: TestExchange
let alice: Person
let bob: Person
beforeAll(async () => {
  exchange = await TestExchange.start()
  alice = await exchange.person('alice')
  bob = await exchange.person('bob')
}, 120_000)
afterAll(() => exchange?.stop())

const profileOf = (person: Person, changes: object = {}) => ({
  id: person.userId,
  email: person.email,
  username: person.username,
  locale: 'en',
  kyc_level: 0,
  created_at: time,
  updated_at: time,
  ...changes,
})
const changed = (profile: object) => success({ message: sentence, profile })
const nobody = '01890000-0000-7000-8000-000000000000'

describe('GET /v1/users/me', () => {
  const path = '/v1/users/me'
  it('is the own profile', async () => {
    expect(essence(await alice.get(path))).toEqual(success(profileOf(alice)))
  })
  it('needs a token', async () => {
    expect(essence(await call(exchange.url, 'GET', path))).toEqual(refusal('UNAUTHORIZED', path))
  })
})

describe('PATCH /v1/users/me', () => {
  const path = '/v1/users/me'
  it('changes what is given and keeps the rest', async () => {
    const first = await bob.patch(path, { body: { full_name: 'Bob Builder', locale: 'th' } })
    expect(essence(first)).toEqual(changed(profileOf(bob, { full_name: 'Bob Builder', locale: 'th' })))
    const second = await bob.patch(path, { body: { avatar_url: 'https://example.com/bob.png' } })
    const both = { full_name: 'Bob Builder', locale: 'th', avatar_url: 'https://example.com/bob.png' }
    expect(essence(second)).toEqual(changed(profileOf(bob, both)))
    const third = await bob.patch(path, { body: { full_name: '', avatar_url: '', locale: 'en' } })
    expect(essence(third)).toEqual(changed(profileOf(bob)))
  })

  test.each([
    [{ full_name: 'x'.repeat(101) }, 'full_name'],
    [{ avatar_url: 'javascript:alert(1)' }, 'avatar_url'],
    [{ locale: 'fr' }, 'locale'],
    [{ email: 'other@example.com' }, 'email'],
    [{ full_name: 7 }, 'full_name'],
  ])('refuses %j', async (body, field) => {
    expect(essence(await bob.patch(path, { body }))).toEqual(refusal('INVALID_INPUT', path, [field]))
  })
})

describe('/v1/users/{id}', () => {
  const pathOf = (id: string) => `/v1/users/${id}`

  it('is the own profile, or anybody’s for operators', async () => {
    expect(essence(await alice.get(pathOf(alice.userId)))).toEqual(success(profileOf(alice)))
    expect(essence(await exchange.operator.get(pathOf(alice.userId)))).toEqual(success(profileOf(alice)))
  })

  it('does not tell a foreign id from an unknown or malformed one', async () => {
    for (const id of [bob.userId, nobody, 'not-an-id']) {
      expect(essence(await alice.get(pathOf(id)))).toEqual(refusal('NOT_FOUND', pathOf(id)))
      const answer = await alice.patch(pathOf(id), { body: { full_name: 'Mallory' } })
      expect(essence(answer)).toEqual(refusal('NOT_FOUND', pathOf(id)))
    }
    for (const id of [nobody, 'not-an-id']) {
      expect(essence(await exchange.operator.get(pathOf(id)))).toEqual(refusal('NOT_FOUND', pathOf(id)))
    }
  })

  it('is changed by its owner and by operators', async () => {
    const carol = await exchange.person('carol')
    const own = await carol.patch(pathOf(carol.userId), { body: { full_name: 'Carol' } })
    expect(essence(own)).toEqual(changed(profileOf(carol, { full_name: 'Carol' })))
    const others = await exchange.operator.patch(pathOf(carol.userId), { body: { locale: 'th' } })
    expect(essence(others)).toEqual(changed(profileOf(carol, { full_name: 'Carol', locale: 'th' })))
  })
})

describe('POST /v1/users/me/change-password', () => {
  const path = '/v1/users/me/change-password'

  it('changes the password and ends every other session', async () => {
    const dave = await exchange.person('dave')
    const other = await Person.signIn(exchange.url, dave.username, dave.password)
    const new_password = 'another long password'
    const answer = await dave.post(path, { body: { current_password: dave.password, new_password } })
    expect(essence(answer)).toEqual(success(null))
    const spent = await call(exchange.url, 'POST', '/v1/auth/refresh', { body: { refresh_token: other.refreshToken } })
    expect(spent.status).toBe(401)
    const own = await call(exchange.url, 'POST', '/v1/auth/refresh', { body: { refresh_token: dave.refreshToken } })
    expect(own.status).toBe(200)
    await Person.signIn(exchange.url, dave.username, new_password)
    await expect(Person.signIn(exchange.url, dave.username, dave.password)).rejects.toThrow('UNAUTHORIZED')
  })

  it('refuses a wrong current password and a poor new one', async () => {
    const wrong = { current_password: 'not the right one', new_password: 'another long password' }
    expect(essence(await alice.post(path, { body: wrong }))).toEqual(
      refusal('INVALID_INPUT', path, ['current_password']),
    )
    const poor = { current_password: alice.password, new_password: 'short' }
    expect(essence(await alice.post(path, { body: poor }))).toEqual(refusal('INVALID_INPUT', path, ['new_password']))
    await Person.signIn(exchange.url, alice.username, alice.password)
  })
})
