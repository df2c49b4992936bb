import { newId } from '@bitka/kernel'
import type { Client } from '@bitka/mesh'
import { AuditActorKind } from '@bitka/proto/bitka/events/v1/audit_pb'
import { ContactService, UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import { type Db, openDb } from '@bitka/store'
import { storePermissionSuite } from '@bitka/testkit'
import { timestampDate } from '@bufbuild/protobuf/wkt'
import { contactPolicy, userPolicy } from '../src/policy.ts'
import { Harness, refusal } from './harness.ts'

let on: Harness
let users: Client<typeof UserService>
let app: Db
beforeAll(async () => {
  on = await Harness.open()
  users = on.client(UserService, 'gateway')
  app = openDb({ url: on.database.of('user').appUrl, schema: 'user', poolSize: 1 })
})
afterAll(async () => {
  await app.close()
  await on.close()
})

describe('GetMe', () => {
  it('begins the profile at the first read, and asks auth once', async () => {
    const ann = on.person('ann')
    const as = await on.as(ann)
    const before = on.directory.asked
    const [first, second] = [await users.getMe({}, as), await users.getMe({}, as)]
    expect(second).toEqual(first)
    expect(on.directory.asked - before).toBe(1)
    const { profile } = first
    expect(profile).toMatchObject({ id: ann.userId, username: 'ann', email: ann.email, locale: 'en', kycLevel: 0 })
    expect(profile?.fullName).toBeUndefined()
    expect(profile?.avatarUrl).toBeUndefined()
    expect(profile?.createdAt && timestampDate(profile.createdAt)).toEqual(ann.registeredAt)
    expect(profile?.updatedAt).toEqual(profile?.createdAt)
  })

  it('makes one profile of many first reads at once', async () => {
    const as = await on.as(on.person('busy'))
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => users.getMe({}, as)))
    expect(new Set(answers.map(({ profile }) => profile?.id)).size).toBe(1)
  })

  it('needs a token', async () => {
    expect((await refusal(users.getMe({}))).kind).toBe('unauthenticated')
    expect((await refusal(users.getMe({}, { token: 'x.y.z' }))).kind).toBe('unauthenticated')
  })
})

describe('UpdateMe', () => {
  it('changes what is given, keeps the rest, removes what is empty', async () => {
    const bob = on.person('bob')
    const as = await on.as(bob)
    on.clock.advance(5_000)
    const { message, profile } = await users.updateMe({ fullName: 'Bob B.', avatarUrl: 'https://x.test/b.png' }, as)
    expect(message).not.toBe('')
    expect(profile).toMatchObject({ fullName: 'Bob B.', avatarUrl: 'https://x.test/b.png', locale: 'en' })
    expect(profile?.updatedAt && timestampDate(profile.updatedAt)).toEqual(on.clock.now())
    const second = await users.updateMe({ locale: 'th', avatarUrl: '' }, as)
    expect(second.profile).toMatchObject({ fullName: 'Bob B.', locale: 'th' })
    expect(second.profile?.avatarUrl).toBeUndefined()
    expect((await users.getMe({}, as)).profile).toEqual(second.profile)
    const rows = (await on.audited()).filter((row) => row.targetId === bob.userId)
    expect(rows.map(({ action, details }) => [action, details[0]?.value])).toEqual([
      ['user.update', 'full_name avatar_url'],
      ['user.update', 'avatar_url locale'],
    ])
    expect(JSON.stringify(rows.map(({ details }) => details))).not.toContain('Bob')
  })

  it('writes nothing when nothing changes', async () => {
    const cat = on.person('cat')
    const as = await on.as(cat)
    const { profile } = await users.updateMe({ fullName: 'Cat' }, as)
    on.clock.advance(1_000)
    expect((await users.updateMe({ fullName: 'Cat', locale: 'en' }, as)).profile).toEqual(profile)
    expect((await users.updateMe({}, as)).profile).toEqual(profile)
    expect((await on.audited()).filter((row) => row.targetId === cat.userId)).toHaveLength(1)
  })

  it('names the fields at fault and changes nothing', async () => {
    const as = await on.as(on.person('dan'))
    const error = await refusal(users.updateMe({ fullName: 'Dan\u0000', avatarUrl: 'javascript:x', locale: 'xx' }, as))
    expect(error.kind).toBe('invalid')
    expect(Object.keys(error.details).sort()).toEqual(['avatar_url', 'full_name', 'locale'])
    expect((await users.getMe({}, as)).profile?.fullName).toBeUndefined()
  })
})

describe('GetUser and UpdateUser', () => {
  it('give people their own profile, and operators and admins anybody’s', async () => {
    const [eve, ops] = [on.person('eve'), on.person('ops')]
    expect((await users.getUser({ userId: eve.userId }, await on.as(eve))).profile?.username).toBe('eve')
    await users.updateUser({ userId: eve.userId.toUpperCase(), fullName: 'Eve' }, await on.as(eve))
    for (const role of ['operator', 'admin'] as const) {
      const as = await on.as(ops, role)
      expect((await users.getUser({ userId: eve.userId }, as)).profile?.fullName).toMatch(/^Eve/)
      await users.updateUser({ userId: eve.userId, fullName: `Eve ${role}` }, as)
    }
    const rows = (await on.audited()).filter((row) => row.targetId === eve.userId)
    expect(rows.map(({ action, actorKind, actorId }) => [action, actorKind, actorId])).toEqual([
      ['user.update', AuditActorKind.USER, eve.userId],
      ['admin.user.update', AuditActorKind.OPERATOR, ops.userId],
      ['admin.user.update', AuditActorKind.OPERATOR, ops.userId],
    ])
  })

  it('answer the same for a foreign, an unknown and a malformed id', async () => {
    const [fay, gus] = [on.person('fay'), on.person('gus')]
    const as = await on.as(fay, 'support', 'auditor')
    for (const userId of [gus.userId, newId(), 'me', '']) {
      const same = { kind: 'not_found', message: 'There is no such user.', details: {} }
      expect(await refusal(users.getUser({ userId }, as))).toMatchObject(same)
      expect(await refusal(users.updateUser({ userId, fullName: '\u0000' }, as))).toMatchObject(same)
    }
    const operator = await on.as(fay, 'operator')
    for (const userId of [newId(), 'me']) {
      expect((await refusal(users.getUser({ userId }, operator))).kind).toBe('not_found')
      expect((await refusal(users.updateUser({ userId, fullName: 'X' }, operator))).kind).toBe('not_found')
    }
  })

  it('give operators no power in production as long as there are no second factors', async () => {
    const production = await Harness.open('production')
    const [hal, ivy] = [production.person('hal'), production.person('ivy')]
    const gateway = production.client(UserService, 'gateway')
    const as = await production.as(hal, 'operator', 'admin')
    expect((await refusal(gateway.getUser({ userId: ivy.userId }, as))).kind).toBe('not_found')
    await gateway.getMe({}, as)
    await production.close()
  })
})

describe('GetContacts', () => {
  it('says where and how to write to those who exist, also to people it has not met', async () => {
    const contacts = on.client(ContactService, 'notification')
    const [jan, kay] = [on.person('jan'), on.person('kay')]
    await users.updateMe({ fullName: 'Jan', locale: 'th' }, await on.as(jan))
    const answer = await contacts.getContacts({ userIds: [jan.userId, 'x', newId(), kay.userId, kay.userId] })
    expect(answer.contacts.map(({ $typeName: _, ...contact }) => contact)).toEqual([
      { userId: jan.userId, email: jan.email, username: 'jan', fullName: 'Jan', locale: 'th' },
      { userId: kay.userId, email: kay.email, username: 'kay', fullName: '', locale: 'en' },
    ])
    expect((await contacts.getContacts({})).contacts).toEqual([])
    const tooMany = await refusal(contacts.getContacts({ userIds: new Array<string>(101).fill(jan.userId) }))
    expect(tooMany).toMatchObject({ kind: 'invalid', details: { user_ids: expect.any(String) } })
  })
})

describe('callers', () => {
  const wrongCaller = expect.objectContaining({ message: 'The calling service may not use this method.' })
  it.each([
    ...UserService.methods.map((method) => [UserService, method.localName, userPolicy] as const),
    ...ContactService.methods.map((method) => [ContactService, method.localName, contactPolicy] as const),
  ])('%s %s answers its callers and refuses all others', async (desc, name, policy) => {
    const rule = Reflect.get(policy, name)
    const allowed: readonly string[] = rule.kind === 'internal' ? rule.callers : ['gateway']
    for (const caller of ['gateway', 'notification', 'order'] as const) {
      const method: unknown = Reflect.get(on.client(desc, caller), name)
      if (typeof method !== 'function') throw new Error(`no method ${name}`)
      const outcome: unknown = await method({}).catch((error: unknown) => error)
      if (allowed.includes(caller)) expect(outcome).not.toEqual(wrongCaller)
      else expect(outcome).toEqual(wrongCaller)
    }
  })
})

storePermissionSuite({
  service: 'user',
  appDb: () => app,
  ownerTables: { insertOnly: ['service_profile'] },
  foreignSchemas: ['ledger'],
})
