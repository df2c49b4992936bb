import { createHmac, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { newId, silentLogger } from '@bitka/kernel'
import { type MailSink, startMailSink } from '@bitka/mail-sink'
import { createServer, implement, type MeshServer, WorkloadIdentity } from '@bitka/mesh'
import { LedgerTransferredSchema } from '@bitka/proto/bitka/events/v1/accounting_pb'
import { UserLoggedInSchema, UserRegisteredSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import { DeliveryStatus, NotificationService } from '@bitka/proto/bitka/notification/v1/notification_pb'
import { ContactService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { RunningService } from '@bitka/service'
import {
  type FakeAuth,
  fakeAuth,
  storePermissionSuite,
  type TestPlatform,
  tempDir,
  testPlatform,
  waitFor,
} from '@bitka/testkit'
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { startNotification } from '../src/service.ts'

const apiKey = 'test-api-key'
const signingKey = 'test-signing-key'

let platform: TestPlatform
let auth: FakeAuth
let contacts: MeshServer
let contactIdentity: WorkloadIdentity
let sink: MailSink
let notification: RunningService
const unreachable = new Set<string>()

beforeAll(async () => {
  platform = await testPlatform()
  auth = await fakeAuth(platform)
  contactIdentity = WorkloadIdentity.connect({ socketPath: platform.ca.socketPath('user'), log: silentLogger })
  contacts = createServer({
    identity: contactIdentity,
    log: silentLogger,
    port: 0,
    host: 'localhost',
    services: [
      implement(
        ContactService,
        {
          getContacts: async ({ userIds }) => ({
            contacts: userIds
              .filter((id) => !unreachable.has(id))
              .map((userId) => ({
                userId,
                email: `${userId}@example.com`,
                username: 'ann',
                fullName: '<b>Ann</b>',
                locale: 'en',
              })),
          }),
        },
        { getContacts: { kind: 'internal', callers: ['notification'] } },
      ),
    ],
  })
  await contacts.start()
  platform.at('user', contacts.port)
  sink = await startMailSink({ folder: await tempDir(), apiKey, log: silentLogger })
  notification = await startNotification(
    platform.env('notification', {
      BITKA_MAILGUN_URL: sink.url,
      BITKA_MAILGUN_DOMAIN: 'mail.test',
      BITKA_MAILGUN_API_KEY: apiKey,
      BITKA_MAILGUN_SIGNING_KEY: signingKey,
      BITKA_MAILGUN_SIGNING_KEY_PREVIOUS: 'previous-key',
      BITKA_MAIL_FROM: 'BitKa <no-reply@mail.test>',
      BITKA_MAIL_INTERVAL_MS: '20',
    }),
    { log: silentLogger },
  )
})

afterAll(async () => {
  await notification?.stop()
  await sink?.stop()
  await contacts?.drain(1_000)
  contactIdentity?.close()
  await auth?.stop()
  await platform?.stop()
})

async function publish<M extends DescMessage>(
  producer: 'auth' | 'ledger',
  topic: string,
  schema: M,
  value: MessageInitShape<M>,
  eventId = newId(),
): Promise<void> {
  const headers = { 'event-id': eventId, type: schema.typeName }
  await platform
    .eventLog(producer)
    .append(topic, [{ key: 'k', headers, value: toBinary(schema, create(schema, value)) }])
}

const mailsTo = (userId: string) => sink.mails().filter(({ fields }) => fields.to === `${userId}@example.com`)
const client = () =>
  platform.client(NotificationService, 'gateway', { service: 'notification', port: notification.port })
const deliveriesOf = async (userId: string) => {
  const token = await auth.token(newId(), { roles: ['user', 'operator'] })
  return (await (await client()).listDeliveries({ userId }, { token })).items
}
const deliveryWith = (userId: string, status: DeliveryStatus) =>
  waitFor(async () => (await deliveriesOf(userId)).find((delivery) => delivery.status === status), {
    timeoutMs: 60_000,
  })

it('mails a welcome once, also when the event comes twice, and escapes the name', async () => {
  const userId = newId()
  const eventId = newId()
  await publish('auth', 'identity.user.registered', UserRegisteredSchema, { userId }, eventId)
  await publish('auth', 'identity.user.registered', UserRegisteredSchema, { userId }, eventId)
  const delivery = await deliveryWith(userId, DeliveryStatus.SENT)
  expect(delivery).toMatchObject({
    template: 'welcome',
    attempts: 1,
    providerMessageId: expect.stringContaining('@mail.test'),
  })
  const other = newId()
  await publish('auth', 'identity.user.registered', UserRegisteredSchema, { userId: other })
  await deliveryWith(other, DeliveryStatus.SENT)
  expect(mailsTo(userId)).toHaveLength(1)
  const [mail] = mailsTo(userId)
  expect(mail?.fields.subject).toBe('Welcome to BitKa')
  expect(mail?.fields.html).toContain('&lt;b&gt;Ann&lt;/b&gt;')
  expect(await readFile(mail!.file, 'utf8')).toContain(`To: <${userId}@example.com>`)
})

it('mails of a sign-in only from a new device, and of a transfer to its receiver', async () => {
  const userId = newId()
  const login = { userId, sessionId: newId(), address: '127.0.0.1', userAgent: 'x' }
  await publish('auth', 'identity.user.login', UserLoggedInSchema, { ...login, newDevice: false })
  await publish('auth', 'identity.user.login', UserLoggedInSchema, { ...login, newDevice: true })
  await publish('ledger', 'accounting.ledger.transferred', LedgerTransferredSchema, {
    transactionId: newId(),
    fromUserId: newId(),
    toUserId: userId,
    asset: 'THB',
    amount: '12.5',
  })
  await waitFor(() => mailsTo(userId).length === 2)
  expect(mailsTo(userId).map(({ fields }) => fields.subject)).toEqual(
    expect.arrayContaining(['New sign-in to your BitKa account', 'You received 12.5 THB']),
  )
})

it('tries again after trouble at the provider, and gives up what it refuses for good', async () => {
  const late = newId()
  sink.failNext(500)
  await publish('auth', 'identity.user.registered', UserRegisteredSchema, { userId: late })
  expect(await deliveryWith(late, DeliveryStatus.SENT)).toMatchObject({ attempts: 2 })
  const refused = newId()
  sink.failNext(400)
  await publish('auth', 'identity.user.registered', UserRegisteredSchema, { userId: refused })
  expect(await deliveryWith(refused, DeliveryStatus.FAILED)).toMatchObject({ attempts: 1, failure: expect.any(String) })
  const unknown = newId()
  unreachable.add(unknown)
  await publish('auth', 'identity.user.registered', UserRegisteredSchema, { userId: unknown })
  await deliveryWith(unknown, DeliveryStatus.FAILED)
})

describe('the webhook', () => {
  const report = (options: {
    key?: string
    timestamp?: number
    token?: string
    deliveryId?: string
    event?: string
  }) => {
    const timestamp = String(options.timestamp ?? Math.floor(Date.now() / 1000))
    const token = options.token ?? randomBytes(25).toString('hex')
    const signature = createHmac('sha256', options.key ?? signingKey)
      .update(timestamp + token)
      .digest('hex')
    return {
      payload: {
        signature: { timestamp, token, signature },
        'event-data': {
          event: options.event ?? 'delivered',
          'user-variables': { delivery_id: options.deliveryId ?? newId() },
        },
      },
    }
  }
  const sentMail = async () => {
    const userId = newId()
    await publish('auth', 'identity.user.registered', UserRegisteredSchema, { userId })
    return { userId, delivery: await deliveryWith(userId, DeliveryStatus.SENT) }
  }

  it('moves a mail on, under the current key and the one before', async () => {
    const { userId, delivery } = await sentMail()
    await (await client()).receiveMailgunWebhook(report({ deliveryId: delivery.id }))
    await deliveryWith(userId, DeliveryStatus.DELIVERED)
    await (await client()).receiveMailgunWebhook(
      report({ deliveryId: delivery.id, event: 'complained', key: 'previous-key' }),
    )
    await deliveryWith(userId, DeliveryStatus.COMPLAINED)
  })

  it('refuses a foreign signature and an old report', async () => {
    const forged = (await client()).receiveMailgunWebhook(report({ key: 'guess' }))
    await expect(forged).rejects.toMatchObject({ kind: 'forbidden' })
    const old = (await client()).receiveMailgunWebhook(report({ timestamp: Math.floor(Date.now() / 1000) - 301 }))
    await expect(old).rejects.toMatchObject({ kind: 'forbidden' })
    await expect((await client()).receiveMailgunWebhook({ payload: {} })).rejects.toMatchObject({ kind: 'invalid' })
  })

  it('takes each token once', async () => {
    const first = await sentMail()
    const second = await sentMail()
    const token = randomBytes(25).toString('hex')
    await (await client()).receiveMailgunWebhook(report({ token, deliveryId: first.delivery.id }))
    await (await client()).receiveMailgunWebhook(report({ token, deliveryId: second.delivery.id }))
    await deliveryWith(first.userId, DeliveryStatus.DELIVERED)
    expect((await deliveriesOf(second.userId))[0]?.status).toBe(DeliveryStatus.SENT)
  })
})

it('shows deliveries to operators only', async () => {
  const token = await auth.token(newId())
  await expect((await client()).listDeliveries({}, { token })).rejects.toMatchObject({ kind: 'forbidden' })
})

describe('permissions', () => {
  storePermissionSuite({
    service: 'notification',
    appDb: () => platform.db('notification'),
    ownerTables: { insertOnly: [] },
    foreignSchemas: ['ledger', 'auth', 'audit'],
  })
})
