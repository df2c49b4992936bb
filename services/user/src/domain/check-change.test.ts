import { DomainError } from '@bitka/kernel'
import { avatarUrlProblem, checkChange, fullNameProblem } from './check-change.ts'
import { applyChange, type Profile } from './profile.ts'

test.each(['A', 'Somchai Jaidee', 'สมชาย ใจดี', "Anne-Marie O'Neil", '🐟'.repeat(100)])('%s is a name', (name) =>
  expect(fullNameProblem(name)).toBeUndefined(),
)
test.each(['', 'x'.repeat(101), 'a\nb', 'a\u0000b', 'a\u202eb', 'a\u2066b', 'a\u2028b'])('%j is no name', (name) =>
  expect(fullNameProblem(name)).toBeDefined(),
)

test.each([
  'https://example.com/me.png',
  'https://example.com:8443/a/b?c=d#e',
  '/v1/users/0189/avatar?v=2',
  '/avatars/fish.svg',
])('%s may be an avatar', (url) => expect(avatarUrlProblem(url)).toBeUndefined())
test.each([
  'http://example.com/me.png',
  'javascript:alert(1)',
  'data:image/png;base64,AAAA',
  '//example.com/me.png',
  '/\\example.com/me.png',
  'https://user:password@example.com/',
  'https://',
  ' https://example.com',
  'https://example.com/a b',
  'https:\\\\example.com',
  '/../etc/passwd',
  'me.png',
  `https://example.com/${'x'.repeat(500)}`,
])('%s may not', (url) => expect(avatarUrlProblem(url)).toBeDefined())

describe('a change', () => {
  it('keeps what is absent and removes what is empty', () => {
    expect(checkChange({})).toEqual({})
    expect(checkChange({ fullName: '', avatarUrl: '' })).toEqual({ fullName: null, avatarUrl: null })
    expect(checkChange({ fullName: '  Ann\u0065\u0301 ', locale: 'th' })).toEqual({
      fullName: 'Ann\u00e9',
      locale: 'th',
    })
  })

  it('names every field at fault', () => {
    const request = { fullName: '   ', avatarUrl: 'x', locale: 'de' }
    try {
      checkChange(request)
      throw new Error('it was not refused')
    } catch (error) {
      expect(error).toBeInstanceOf(DomainError)
      expect(error).toMatchObject({
        kind: 'invalid',
        details: { full_name: expect.any(String), avatar_url: expect.any(String), locale: 'must be en or th' },
      })
    }
  })

  it('tells what differs, and leaves the time alone when nothing does', () => {
    const before = new Date(0)
    const profile: Profile = {
      userId: 'u',
      username: 'ann',
      email: 'ann@example.com',
      fullName: 'Ann',
      avatarUrl: null,
      locale: 'en',
      kycLevel: 0,
      registeredAt: before,
      updatedAt: before,
    }
    expect(applyChange(profile, { fullName: 'Ann', avatarUrl: null }, new Date(1))).toEqual({ profile, changed: [] })
    const { profile: next, changed } = applyChange(profile, { fullName: null, locale: 'th' }, new Date(1))
    expect(changed).toEqual(['full_name', 'locale'])
    expect(next).toMatchObject({ fullName: null, locale: 'th', updatedAt: new Date(1) })
  })
})
