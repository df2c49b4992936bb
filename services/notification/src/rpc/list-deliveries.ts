import { invalidField, isUuid } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import {
  type DeliverySchema,
  DeliveryStatus,
  type NotificationService,
} from '@bitka/proto/bitka/notification/v1/notification_pb'
import { type Db, pagination, parsePage } from '@bitka/store'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import { type Delivery, listDeliveries as list, type Status } from '../store/deliveries.ts'

const toWire: Record<Status, DeliveryStatus> = {
  queued: DeliveryStatus.QUEUED,
  sent: DeliveryStatus.SENT,
  delivered: DeliveryStatus.DELIVERED,
  failed: DeliveryStatus.FAILED,
  complained: DeliveryStatus.COMPLAINED,
}
const fromWire = new Map(Object.entries(toWire).map(([status, wire]) => [wire, status as Status]))

/** Lists mails for operators, newest first. */
export const listDeliveries =
  (db: Db): MethodImpl<typeof NotificationService.method.listDeliveries> =>
  async ({ page: number, perPage, userId, status }) => {
    const page = parsePage({ page: number, perPage })
    if (userId !== undefined && !isUuid(userId)) throw invalidField('user_id', 'must be a UUID')
    const { items, total } = await list(
      db,
      { userId, status: status === undefined ? undefined : fromWire.get(status) },
      page,
    )
    return { items: items.map(toMessage), pagination: pagination(page, total) }
  }

const toMessage = (delivery: Delivery): MessageInitShape<typeof DeliverySchema> => ({
  id: delivery.id,
  userId: delivery.userId,
  template: delivery.template,
  status: toWire[delivery.status],
  attempts: delivery.attempts,
  providerMessageId: delivery.providerMessageId ?? undefined,
  failure: delivery.failure ?? undefined,
  createdAt: timestampFromDate(delivery.createdAt),
  updatedAt: timestampFromDate(delivery.updatedAt),
})
