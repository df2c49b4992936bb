import type { ServicePolicy } from '@bitka/mesh'
import type { NotificationService } from '@bitka/proto/bitka/notification/v1/notification_pb'

/** Who may call what. The webhook proves itself by its signature. */
export const policy: ServicePolicy<typeof NotificationService> = {
  receiveMailgunWebhook: { kind: 'anonymous' },
  listDeliveries: { kind: 'user', roles: ['operator', 'admin', 'support'] },
}
