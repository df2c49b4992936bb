import { backoffMs, defaultRetry } from '@bitka/events'
import { type Clock, type Logger, Loop } from '@bitka/kernel'
import type { Client } from '@bitka/mesh'
import type { ContactService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { Db } from '@bitka/store'
import { type Mailer, PermanentMailError } from './clients/mailer.ts'
import { renderMail } from './domain/templates.ts'
import { FRESHNESS_MS } from './domain/webhook.ts'
import { claimDue, type Delivery, forgetTokens, markSent, markTried } from './store/deliveries.ts'

type SenderOptions = {
  db: Db
  contacts: Pick<Client<typeof ContactService>, 'getContacts'>
  mailer: Mailer
  clock: Clock
  log: Logger
  intervalMs: number
}

const BATCH = 20
/** Longer than a try can take. A sender that died is followed after this. */
const LEASE_MS = 60_000

/** Sends what is queued, from any number of processes. A crash between sending and noting it can send a mail twice. */
export function startSender(options: SenderOptions): Loop {
  const { db, clock, log, intervalMs } = options
  return new Loop({ name: 'notification.sender', intervalMs, log }, async (signal) => {
    const due = await claimDue(db, clock.now(), LEASE_MS, BATCH)
    for (const delivery of due) {
      // What was claimed and not tried is claimed again after its lease.
      if (signal.aborted) return false
      await sendOne(options, delivery)
    }
    await forgetTokens(db, new Date(clock.nowMs() - 4 * FRESHNESS_MS))
    return due.length === BATCH
  })
}

async function sendOne({ db, contacts, mailer, clock, log }: SenderOptions, delivery: Delivery): Promise<void> {
  const { id, userId, template, attempts } = delivery
  try {
    const { contacts: found } = await contacts.getContacts({ userIds: [userId] })
    const [contact] = found
    if (!contact) throw new PermanentMailError('the user is not known')
    const person = {
      name: contact.fullName || contact.username,
      locale: contact.locale === 'th' ? ('th' as const) : ('en' as const),
    }
    const mail = renderMail(template, person, delivery.params)
    const { messageId } = await mailer.send({ ...mail, to: contact.email, deliveryId: id })
    await markSent(db, id, messageId, clock.now())
  } catch (error) {
    const last = error instanceof PermanentMailError || attempts >= defaultRetry.attempts
    log.warn({ err: error, deliveryId: id, template, attempts, last }, 'a mail could not be sent')
    const retryAt = last ? undefined : new Date(clock.nowMs() + backoffMs(defaultRetry, attempts))
    await markTried(db, id, error instanceof Error ? error.message : 'failed', retryAt, clock.now())
  }
}
