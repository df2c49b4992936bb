import type { StoredRecord } from '@bitka/events'
import type { Clock } from '@bitka/kernel'
import { OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import { LedgerTransferredSchema } from '@bitka/proto/bitka/events/v1/accounting_pb'
import {
  PasswordChangedSchema,
  UserLoggedInSchema,
  UserRegisteredSchema,
} from '@bitka/proto/bitka/events/v1/identity_pb'
import { OrderFilledSchema } from '@bitka/proto/bitka/events/v1/orders_pb'
import type { Tx } from '@bitka/store'
import { fromBinary } from '@bufbuild/protobuf'
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt'
import type { TemplateName } from '../domain/templates.ts'
import { type QueuedMail, queueMails } from '../store/deliveries.ts'

/** The topics that lead to mails. */
export const mailTopics = [
  'identity.user.registered',
  'identity.user.login',
  'identity.password.changed',
  'trading.orders.filled',
  'accounting.ledger.transferred',
] as const
type MailTopic = (typeof mailTopics)[number]

type Wanted = { userId: string; template: TemplateName; params: Record<string, string> }

/** To the minute, in UTC: the reader's time zone is not known. */
const shown = (time: Timestamp | undefined): string =>
  time ? `${timestampDate(time).toISOString().slice(0, 16).replace('T', ' ')} UTC` : ''

const readers: Record<MailTopic, (value: Uint8Array) => Wanted | undefined> = {
  'identity.user.registered': (value) => {
    const { userId } = fromBinary(UserRegisteredSchema, value)
    return { userId, template: 'welcome', params: {} }
  },
  'identity.user.login': (value) => {
    const { userId, newDevice, time } = fromBinary(UserLoggedInSchema, value)
    return newDevice ? { userId, template: 'new_device', params: { time: shown(time) } } : undefined
  },
  'identity.password.changed': (value) => {
    const { userId, time } = fromBinary(PasswordChangedSchema, value)
    return { userId, template: 'password_changed', params: { time: shown(time) } }
  },
  'trading.orders.filled': (value) => {
    const { userId, symbol, side, quantity, averagePrice } = fromBinary(OrderFilledSchema, value)
    const params = { symbol, side: side === OrderSide.BUY ? 'buy' : 'sell', quantity, price: averagePrice }
    return { userId, template: 'order_filled', params }
  },
  'accounting.ledger.transferred': (value) => {
    const { toUserId, asset, amount } = fromBinary(LedgerTransferredSchema, value)
    return { userId: toUserId, template: 'transfer_received', params: { asset, amount } }
  },
}

/** Queues the mails that some events ask for. */
export const queueMailsFor =
  (clock: Clock) =>
  async (tx: Tx, records: StoredRecord[]): Promise<void> => {
    const mails = records.flatMap((record): QueuedMail[] => {
      const topic = mailTopics.find((known) => known === record.topic)
      const wanted = topic && readers[topic](record.value)
      if (!wanted) return []
      // A record of somebody who sets no event id is known by its place.
      const eventId = record.headers['event-id'] ?? `${record.topic}/${record.partition}/${record.offset}`
      return [{ ...wanted, eventId }]
    })
    await queueMails(tx, mails, clock.now())
  }
