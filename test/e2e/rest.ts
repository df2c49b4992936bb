import { setTimeout as pause } from 'node:timers/promises'

/** What a request may carry beside its address. */
export type CallOptions = {
  body?: unknown
  /** Sent as it is, in place of `body`. */
  raw?: string
  token?: string
  key?: string
  headers?: Record<string, string>
}
// biome-ignore lint/suspicious/noExplicitAny: a test looks into bodies that it has no type for, and compares them whole
export type Body = any
export type Answer = { status: number; headers: Headers; body: Body }

/** How often a busy exchange is asked again, a second apart. */
const TRIES = 20

/** One request as a user's program would send it: what a busy exchange pushes back is sent again. */
export async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  for (let left = TRIES; ; left -= 1) {
    const answer = await once(url, method, path, options)
    if (answer.status !== 503 || left === 0 || !answer.headers.has('retry-after')) return answer
    await pause(1_000)
  }
}

async function once(url: string, method: string, path: string, options: CallOptions): Promise<Answer> {
  const { body, raw, token, key, headers } = options
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body))
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(text !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...headers,
    },
    body: text,
  })
  const answer = await response.text()
  return { status: response.status, headers: response.headers, body: parse(answer) }
}

function parse(text: string): Body {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export const dataOf = (body: Body): Body => body.data

export const uuid = expect.stringMatching(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
export const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/)
/** A sentence for people; what it says is not part of the contract. */
export const sentence = expect.stringMatching(/^[A-Z].*\.$/)
const meta = { request_id: uuid }

/** The whole of a success: nothing more, nothing less. */
export const success = (data: unknown, status = 200) => ({ status, body: { success: true, data, meta } })

const statuses: Record<string, number> = {
  INVALID_INPUT: 400,
  UNAUTHORIZED: 401,
  MFA_REQUIRED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  INSUFFICIENT_FUNDS: 422,
  RATE_LIMITED: 429,
}

/** The whole of a refusal. `fields`: the names of `details`, each with some reason. */
export const refusal = (code: string, instance: string, fields: readonly string[] = []) => ({
  status: statuses[code],
  body: {
    success: false,
    error: {
      code,
      message: sentence,
      instance,
      ...(fields.length > 0 && {
        details: Object.fromEntries(fields.map((field) => [field, expect.stringMatching(/\S/)])),
      }),
    },
    meta,
  },
})

/** A page of a list that is not longer than it. */
export const wholePage = (items: unknown[], per_page = 25) => ({
  items,
  pagination: { page: 1, per_page, total: items.length, total_pages: items.length === 0 ? 0 : 1 },
})

/** What of an answer is compared whole. */
export const essence = ({ status, body }: Answer): { status: number; body: Body } => ({ status, body })
