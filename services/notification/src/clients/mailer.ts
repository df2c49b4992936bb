import FormData from 'form-data'
import Mailgun from 'mailgun.js'
import type { Mail } from '../domain/templates.ts'

export type OutgoingMail = Mail & { to: string; deliveryId: string }

/** Sends mails. A refusal that trying again cannot change is a `PermanentMailError`. */
export type Mailer = { send(mail: OutgoingMail): Promise<{ messageId: string }> }

export class PermanentMailError extends Error {
  override name = 'PermanentMailError'
}

export type MailgunConfig = { url: string; domain: string; apiKey: string; from: string; timeoutMs: number }

/** Mailgun's answers that mean "this mail, never". 401 and 403 are our configuration's fault and may be repaired. */
const PERMANENT = new Set([400, 413, 422])

/** The Mailgun adapter. mailgun.js reports a failed connection as status 400 too, with Node's error code as the message. */
export function mailgunMailer(config: MailgunConfig): Mailer {
  const client = new Mailgun(FormData).client({
    username: 'api',
    key: config.apiKey,
    url: config.url,
    timeout: config.timeoutMs,
  })
  return {
    send: async ({ to, deliveryId, subject, text, html }) => {
      try {
        const answer = await client.messages.create(config.domain, {
          from: config.from,
          to: [to],
          subject,
          text,
          html,
          'v:delivery_id': deliveryId,
        })
        return { messageId: (answer.id ?? '').replace(/^<|>$/g, '') }
      } catch (error) {
        const { status, message } = error as { status?: number; message?: string }
        const unreached = message === undefined || /^E[A-Z_]+$/.test(message)
        if (status !== undefined && PERMANENT.has(status) && !unreached) {
          throw new PermanentMailError(`the mail provider refused the mail: ${status}`, { cause: error })
        }
        throw error
      }
    },
  }
}
