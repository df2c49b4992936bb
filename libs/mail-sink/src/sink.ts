import { timingSafeEqual } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { type Logger, newId } from '@bitka/kernel'
import { createMimeMessage } from 'mimetext'

export type MailSinkOptions = {
  /** Where mails are written, one .eml file each. */
  folder: string
  /** What the sender must present, as Mailgun's API key. */
  apiKey: string
  log: Logger
  /** 0 takes a free port. */
  port?: number
  /** PEM, good for localhost: answers over TLS 1.3 only, at https://localhost. Without it: plain HTTP on loopback. */
  tls?: { cert: string; key: string }
}

/** A mail as the sink received it. */
export type RecordedMail = { id: string; domain: string; fields: Record<string, string>; file: string }

export type MailSink = {
  /** The base address for a Mailgun client. */
  url: string
  /** What has been received since the start. */
  mails(): readonly RecordedMail[]
  /** Refuses the next so many messages with this status, as a provider in trouble would. */
  failNext(status: number, times?: number): void
  stop(): Promise<void>
}

/** Mailgun's own limit is 25 MB; ours are a few kilobytes. */
const BODY_BYTES_MAX = 1024 * 1024
const MAILS_KEPT_MAX = 1_000
const MESSAGES = /^\/v3\/([^/]+)\/messages$/

/**
 * A local stand-in for Mailgun's sending API: takes POST /v3/<domain>/messages and writes each mail as a file instead of
 * sending it. For the embedded exchange and for tests.
 */
export async function startMailSink(options: MailSinkOptions): Promise<MailSink> {
  const received: RecordedMail[] = []
  let failures: { status: number; times: number } | undefined
  const listener: RequestListener = (request, response) => {
    answer(request, response).catch((error: unknown) => {
      options.log.error({ err: error }, 'the mail sink failed')
      if (!response.headersSent) send(response, 500, { message: 'Internal error' })
    })
  }
  const server = options.tls
    ? createTlsServer({ ...options.tls, minVersion: 'TLSv1.3' }, listener)
    : createServer(listener)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const domain = MESSAGES.exec(request.url ?? '')?.[1]
    if (request.method !== 'POST' || domain === undefined) return send(response, 404, { message: 'Not found' })
    if (!isAuthorised(request, options.apiKey)) return send(response, 401, { message: 'Forbidden' })
    const fields = await readForm(request)
    if (failures && failures.times > 0) {
      failures.times -= 1
      return send(response, failures.status, { message: 'Try again later' })
    }
    const { from, to, subject } = fields
    if (!from || !to || !subject) return send(response, 400, { message: 'from, to and subject are required' })
    const id = `${newId()}@${domain}`
    const file = join(options.folder, `${id.split('@')[0]}.eml`)
    await writeFile(file, toEml(id, fields), { mode: 0o600 })
    received.push({ id, domain, fields, file })
    if (received.length > MAILS_KEPT_MAX) received.shift()
    send(response, 200, { id: `<${id}>`, message: 'Queued. Thank you.' })
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new Error('the mail sink has no port')
  return {
    url: options.tls ? `https://localhost:${address.port}` : `http://127.0.0.1:${address.port}`,
    mails: () => received,
    failNext: (status, times = 1) => {
      failures = { status, times }
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function isAuthorised(request: IncomingMessage, apiKey: string): boolean {
  const expected = Buffer.from(`Basic ${Buffer.from(`api:${apiKey}`).toString('base64')}`)
  const sent = Buffer.from(request.headers.authorization ?? '')
  return sent.length === expected.length && timingSafeEqual(sent, expected)
}

/** Node's own fetch classes read multipart and URL-encoded forms. */
async function readForm(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > BODY_BYTES_MAX) throw new Error('a mail is too large')
    chunks.push(chunk as Buffer)
  }
  const headers = { 'content-type': request.headers['content-type'] ?? 'application/x-www-form-urlencoded' }
  const form = await new Response(Buffer.concat(chunks), { headers }).formData()
  const fields: Record<string, string> = {}
  for (const [name, value] of form) if (typeof value === 'string') fields[name] = value
  return fields
}

function toEml(id: string, fields: Record<string, string>): string {
  const message = createMimeMessage()
  message.setSender(fields.from ?? '')
  message.setTo(fields.to ?? '')
  message.setSubject(fields.subject ?? '')
  message.setHeader('Message-ID', `<${id}>`)
  const part = (contentType: string, text: string): void => {
    message.addMessage({ contentType, encoding: 'base64', data: Buffer.from(text).toString('base64') })
  }
  if (fields.text) part('text/plain', fields.text)
  if (fields.html) part('text/html', fields.html)
  return message.asRaw()
}
