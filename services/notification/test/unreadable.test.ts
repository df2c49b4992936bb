import { listDeadLetters } from '@bitka/events'
import { newId, silentLogger } from '@bitka/kernel'
import { UserRegisteredSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import type { RunningService } from '@bitka/service'
import { type TestPlatform, testPlatform, waitFor } from '@bitka/testkit'
import { create, toBinary } from '@bufbuild/protobuf'
import { startNotification } from '../src/service.ts'

const topic = 'identity.user.registered'
let platform: TestPlatform
let notification: RunningService

beforeAll(async () => {
  platform = await testPlatform()
  // Nobody answers there: mails are queued and not sent.
  platform.at('auth', 1)
  platform.at('user', 1)
  notification = await startNotification(
    platform.env('notification', {
      BITKA_MAILGUN_URL: 'http://localhost:1',
      BITKA_MAILGUN_DOMAIN: 'mail.test',
      BITKA_MAILGUN_API_KEY: 'key',
      BITKA_MAILGUN_SIGNING_KEY: 'key',
      BITKA_MAIL_FROM: 'BitKa <no-reply@mail.test>',
    }),
    { log: silentLogger },
  )
})
afterAll(async () => {
  await notification?.stop()
  await platform?.stop()
})

it('parks a record that cannot be read, goes on with the next one of the same partition, and is ready', async () => {
  const userId = newId()
  const headers = { 'event-id': newId(), type: UserRegisteredSchema.typeName }
  const good = toBinary(UserRegisteredSchema, create(UserRegisteredSchema, { userId }))
  await platform.eventLog('auth').append(topic, [
    { key: 'k', headers: { ...headers, 'event-id': newId() }, value: Buffer.from('nonsense') },
    { key: 'k', headers, value: good },
  ])
  const db = platform.db('notification')
  const mails = async () => (await db.query('select 1 from deliveries where user_id = $1', [userId])).rows.length
  await waitFor(async () => (await mails()) === 1, { timeoutMs: 80_000, what: 'the mail of the record after it' })
  expect(await listDeadLetters(db, { limit: 10 })).toMatchObject([
    { group: 'notification.mails', attempts: 6, record: { topic, key: 'k' } },
  ])
  expect((await notification.health()).dependencies.filter(({ ok }) => !ok)).toEqual([])
})
