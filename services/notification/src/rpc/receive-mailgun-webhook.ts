import { type Clock, DomainError, invalidField } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { NotificationService } from '@bitka/proto/bitka/notification/v1/notification_pb'
import type { Audit } from '@bitka/service'
import type { Db } from '@bitka/store'
import { z } from 'zod'
import { isFresh, isSignatureGood, readReport } from '../domain/webhook.ts'
import { applyReport, useToken } from '../store/deliveries.ts'

const payloadShape = z.object({
  signature: z.object({
    timestamp: z.string().max(20),
    token: z.string().min(1).max(100),
    signature: z.string().max(100),
  }),
  'event-data': z.unknown(),
})

type Options = { db: Db; clock: Clock; audit: Audit; signingKeys: readonly string[] }

/** Takes a report of the mail provider. A second delivery of one report is answered well and changes nothing. */
export const receiveMailgunWebhook =
  ({ db, clock, audit, signingKeys }: Options): MethodImpl<typeof NotificationService.method.receiveMailgunWebhook> =>
  async ({ payload }, ctx) => {
    const parsed = payloadShape.safeParse(payload)
    if (!parsed.success)
      throw invalidField(parsed.error.issues[0]?.path.join('.') || 'payload', 'is not a Mailgun report')
    const { signature, 'event-data': eventData } = parsed.data
    const now = clock.now()
    if (!isSignatureGood(signature, signingKeys) || !isFresh(signature.timestamp, now.getTime())) {
      await db.transaction((tx) =>
        audit(tx, {
          action: 'notification.webhook',
          outcome: 'refused',
          errorCode: 'FORBIDDEN',
          actor: { kind: 'third_party', id: 'mailgun' },
          ctx,
        }),
      )
      throw new DomainError('forbidden', 'The signature of the report is not good or too old.')
    }
    await db.transaction(async (tx) => {
      if (!(await useToken(tx, signature.token, now))) return
      const report = readReport(eventData)
      const deliveryId = report && (await applyReport(tx, report, now))
      await audit(tx, {
        action: 'notification.webhook',
        outcome: 'succeeded',
        actor: { kind: 'third_party', id: 'mailgun' },
        target: deliveryId === undefined ? undefined : { type: 'delivery', id: deliveryId },
        details: report && { status: report.status },
        ctx,
      })
    })
    return {}
  }
