import { DomainError } from '@bitka/kernel'
import { emailProblem } from './email.ts'
import { passwordProblem } from './password.ts'
import { checkRegistration } from './registration.ts'
import { usernameProblem } from './username.ts'

const good = 'quiet river under stars'

describe('usernames', () => {
  it.each(['bob', 'Alice.W-1_', 'x'.repeat(30)])('%s will do', (name) => expect(usernameProblem(name)).toBeUndefined())
  it.each(['', 'ab', 'x'.repeat(31), 'a b c', 'bob@x', 'bób', 'bob\n', '../etc'])('%j will not', (name) =>
    expect(usernameProblem(name)).toBeDefined(),
  )
})

describe('mail addresses', () => {
  it.each(['a@b.co', 'First.Last+tag@Mail.Example.COM', "o'neil@x-y.io", `${'l'.repeat(64)}@example.com`])(
    '%s will do',
    (email) => expect(emailProblem(email)).toBeUndefined(),
  )
  it.each([
    '',
    'a',
    'a@',
    '@b.co',
    'a@b',
    'a@b.1',
    'a@-b.co',
    'a@b..co',
    '.a@b.co',
    'a..b@b.co',
    'a b@c.co',
    'a@b.co\n',
    'a@b.co\u0000',
    'a@b@c.co',
    `${'l'.repeat(65)}@example.com`,
    `a@${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.${'w'.repeat(63)}.${'v'.repeat(10)}.com`,
  ])('%j will not', (email) => expect(emailProblem(email)).toBeDefined())
})

describe('passwords', () => {
  it.each([
    good,
    'twelve chars',
    'ทะเลสีฟ้าใสเย็นสบาย',
    '🐟🐠🐡🦈🐙🦑🦐🦞🦀🐚🐳🐬',
    `${'x9 '.repeat(40)}the end!`,
    ' leading and trailing ',
  ])('%s will do', (password) => expect(passwordProblem(password, 'bob')).toBeUndefined())

  it.each([
    ['', /required/],
    ['eleven char', /at least 12/],
    // Eleven emoji are 22 UTF-16 units, and still eleven characters.
    ['🐟🐠🐡🦈🐙🦑🦐🦞🦀🐚🐳', /at least 12/],
    [`${'ab cd efgh '.repeat(11)}12345678`, /at most 128/],
    ['Password1234', /common/],
    ['PASSWORD123!', /common/],
    // Full-width letters are the same password after normalisation.
    ['ｐａｓｓｗｏｒｄ１２３４', /common/],
    ['aaaaaaaaaaaa', /common/],
    ['abcabcabcabc', /common/],
    ['1212121212121', /common/],
    ['abcdabcdabcd', /common/],
    ['123456789012', /common/],
    ['210987654321', /common/],
    ['qwertyuiopas', /common/],
    ['abcdefghijklm', /common/],
    ['hello i am BOB', /username/],
  ])('%s will not', (password, reason) => expect(passwordProblem(password, 'bob')).toMatch(reason))
})

describe('a registration', () => {
  it('is normalised', () => {
    expect(checkRegistration({ username: 'Bob', email: 'Bob@X.Com', password: 'cafe\u0301 au lait noir' })).toEqual({
      username: 'Bob',
      email: 'bob@x.com',
      password: 'caf\u00e9 au lait noir',
    })
  })

  it('names all fields at fault, and says the reserved names are taken', () => {
    const refused = (form: Parameters<typeof checkRegistration>[0]): DomainError => {
      try {
        checkRegistration(form)
      } catch (error) {
        if (error instanceof DomainError) return error
      }
      throw new Error('it was not refused')
    }
    expect(refused({ username: '', email: '', password: '' }).details).toEqual({
      username: 'is required',
      email: 'is required',
      password: 'is required',
    })
    expect(refused({ username: 'OPERATOR', email: 'a@b.co', password: good })).toMatchObject({ kind: 'conflict' })
  })
})
