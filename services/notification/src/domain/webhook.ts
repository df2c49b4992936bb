import { createHmac, timingSafeEqual } from 'node:crypto'

/** How old, or how far ahead of our clock, a webhook may be. */
export const FRESHNESS_MS = 5 * 60_000

export type WebhookSignature = { timestamp: string; token: string; signature: string }

/**
 * Mailgun signs timestamp ‖ token with HMAC-SHA256. Every key that is accepted is tried, so that a key can be changed
 * without losing a report. Source: Mailgun's documentation, "Securing webhooks".
 */
export function isSignatureGood(sent: WebhookSignature, keys: readonly string[]): boolean {
  const signature = Buffer.from(sent.signature, 'utf8')
  let good = false
  for (const key of keys) {
    const expected = Buffer.from(
      createHmac('sha256', key)
        .update(sent.timestamp + sent.token)
        .digest('hex'),
      'utf8',
    )
    if (expected.length === signature.length && timingSafeEqual(expected, signature)) good = true
  }
  return good
}

/** The timestamp is in whole seconds. */
export function isFresh(timestamp: string, nowMs: number): boolean {
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false
  return Math.abs(nowMs - Number(timestamp) * 1_000) <= FRESHNESS_MS
}

export type DeliveryReport = {
  deliveryId?: string
  messageId?: string
  status: 'delivered' | 'failed' | 'complained'
  failure?: string
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** What a report says about a mail; undefined for events that change nothing, such as opens and temporary failures. */
export function readReport(eventData: unknown): DeliveryReport | undefined {
  if (!isObject(eventData)) return undefined
  const variables = isObject(eventData['user-variables']) ? eventData['user-variables'] : {}
  const message = isObject(eventData.message) && isObject(eventData.message.headers) ? eventData.message.headers : {}
  const about = { deliveryId: text(variables.delivery_id), messageId: text(message['message-id']) }
  if (eventData.event === 'delivered') return { ...about, status: 'delivered' }
  if (eventData.event === 'complained') return { ...about, status: 'complained' }
  if (eventData.event === 'failed' && eventData.severity === 'permanent') {
    return { ...about, status: 'failed', failure: text(eventData.reason) ?? 'refused by the receiver' }
  }
  return undefined
}
