import { implement } from '@bitka/mesh'
import { NotificationService } from '@bitka/proto/bitka/notification/v1/notification_pb'
import { ContactService } from '@bitka/proto/bitka/user/v1/user_pb'
import { baseShape, defineService } from '@bitka/service'
import { z } from 'zod'
import { mailgunMailer } from './clients/mailer.ts'
import { mailTopics, queueMailsFor } from './events/queue-mails.ts'
import { policy } from './policy.ts'
import { listDeliveries } from './rpc/list-deliveries.ts'
import { receiveMailgunWebhook } from './rpc/receive-mailgun-webhook.ts'
import { startSender } from './sender.ts'

const schema = z.object({
  ...baseShape,
  /** Mailgun's API, or what stands in for it. */
  BITKA_MAILGUN_URL: z.url().default('https://api.mailgun.net'),
  /** The sending domain at Mailgun. */
  BITKA_MAILGUN_DOMAIN: z.string().min(1),
  /** The API key. */
  BITKA_MAILGUN_API_KEY: z.string().min(1),
  /** The key that reports are signed with. */
  BITKA_MAILGUN_SIGNING_KEY: z.string().min(1),
  /** During a change of that key: the one before, accepted as well. */
  BITKA_MAILGUN_SIGNING_KEY_PREVIOUS: z.string().min(1).optional(),
  /** The sender of our mails. */
  BITKA_MAIL_FROM: z.string().min(3),
  /** How often the sender looks for mails, in milliseconds. */
  BITKA_MAIL_INTERVAL_MS: z.coerce.number().int().min(10).default(500),
})

/** Mails to people: queued by events, sent through Mailgun, followed by its reports. */
export const startNotification = defineService({
  name: 'notification',
  schema,
  build: async ({ db, clock, log, audit, client, config }) => {
    const mailer = mailgunMailer({
      url: config.BITKA_MAILGUN_URL,
      domain: config.BITKA_MAILGUN_DOMAIN,
      apiKey: config.BITKA_MAILGUN_API_KEY,
      from: config.BITKA_MAIL_FROM,
      timeoutMs: 10_000,
    })
    const contacts = client(ContactService, 'user', { idempotent: ['getContacts'] })
    const keys = [config.BITKA_MAILGUN_SIGNING_KEY, config.BITKA_MAILGUN_SIGNING_KEY_PREVIOUS]
    const signingKeys = keys.filter((key) => key !== undefined)
    const webhook = receiveMailgunWebhook({ db, clock, audit, signingKeys })
    return {
      rpcs: [
        implement(NotificationService, { receiveMailgunWebhook: webhook, listDeliveries: listDeliveries(db) }, policy),
      ],
      consumers: [
        { group: 'notification.mails', topics: [...mailTopics], ordered: false, handle: queueMailsFor(clock) },
      ],
      loops: [startSender({ db, contacts, mailer, clock, log, intervalMs: config.BITKA_MAIL_INTERVAL_MS })],
    }
  },
})
