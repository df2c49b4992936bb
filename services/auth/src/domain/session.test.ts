import { checkDisable, checkRoleChange, normalizeRoles, roleNames, sameRoles } from './roles.ts'
import { decideRefresh } from './session.ts'
import { isRotationDue, isServed, publicOrder, SERVED_AFTER_RETIRED_MS } from './signing-key.ts'

const now = new Date('2026-03-01T00:00:00Z')
const at = (ms: number): Date => new Date(now.getTime() + ms)
const MINUTE = 60_000
const DAY = 86_400_000

describe('a presented refresh token', () => {
  const fresh = { expiresAt: at(1), spentAt: null, sessionEndedAt: null, userDisabled: false }
  it.each([
    ['good', {}, 'rotate'],
    ['expired', { expiresAt: now }, 'refuse'],
    ['spent', { spentAt: at(-1) }, 'end_family'],
    ['spent and expired', { spentAt: at(-2), expiresAt: at(-1) }, 'end_family'],
    ['of an ended session', { sessionEndedAt: at(-1) }, 'refuse'],
    ['spent, of an ended session', { sessionEndedAt: at(-1), spentAt: at(-2) }, 'refuse'],
    ['of a disabled user', { userDisabled: true }, 'refuse'],
  ])('%s', (_, change, decision) => expect(decideRefresh({ ...fresh, ...change }, now)).toBe(decision))
  it('unknown', () => expect(decideRefresh(undefined, now)).toBe('refuse'))
})

describe('signing keys', () => {
  const next = { createdAt: at(-DAY), activatedAt: null, retiredAt: null }
  const current = { createdAt: at(-40 * DAY), activatedAt: at(-31 * DAY), retiredAt: null }
  const retired = { createdAt: at(-60 * DAY), activatedAt: at(-59 * DAY), retiredAt: at(-10 * MINUTE) }
  it.each([
    ['an old current key and a known next one', [current, next], true],
    ['a young current key', [{ ...current, activatedAt: at(-29 * DAY) }, next], false],
    ['a next key that nobody can know yet', [current, { ...next, createdAt: at(-MINUTE) }], false],
    ['no next key', [current], true],
    ['no key at all', [], true],
  ])('rotation with %s: %#', (_, keys, due) => expect(isRotationDue(keys, 30 * DAY, now)).toBe(due))

  it('are published signing one first, until no token of theirs can be valid', () => {
    expect(publicOrder([retired, next, current], now)).toEqual([current, next, retired])
    expect(isServed({ ...retired, retiredAt: at(1 - SERVED_AFTER_RETIRED_MS) }, now)).toBe(true)
    expect(isServed({ ...retired, retiredAt: at(-SERVED_AFTER_RETIRED_MS) }, now)).toBe(false)
  })
})

describe('roles', () => {
  const ann = { id: 'ann', roles: roleNames, disabled: false }
  it('are one of each, user always among them', () => {
    expect(normalizeRoles(['admin', 'support', 'admin'])).toEqual(['user', 'support', 'admin'])
    expect(sameRoles(['user', 'admin'], ['admin'])).toBe(true)
    expect(sameRoles(['user'], ['support'])).toBe(false)
  })

  it.each([
    ['another admin stays', 'bob', ['ann', 'bob'], undefined],
    ['the last admin', 'bob', ['ann'], 'conflict'],
    ['oneself', 'ann', ['ann', 'bob'], 'forbidden'],
  ])('taking admin away: %s', (_, actor, admins, kind) => {
    for (const check of [() => checkRoleChange(actor, ann, ['user'], admins), () => checkDisable(actor, ann, admins)]) {
      if (kind === undefined) expect(check).not.toThrow()
      else expect(check).toThrow(expect.objectContaining({ kind }))
    }
  })

  it('may be changed for the last admin who stays one', () => {
    expect(() => checkRoleChange('bob', ann, ['user', 'admin'], ['ann'])).not.toThrow()
  })
})
