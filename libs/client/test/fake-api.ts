import type { Fetch } from '../src/index.ts'

export type Sent = { method: string; path: string; headers: Record<string, string>; body: unknown }
export type Reply = { status: number; body?: unknown; headers?: Record<string, string> }

/** A fetch that answers from a function and remembers what was sent. */
export function fakeFetch(answer: (sent: Sent) => Reply | Promise<Reply> | Error): { fetch: Fetch; sent: Sent[] } {
  const sent: Sent[] = []
  const fetch: Fetch = async (url, init) => {
    const { pathname, search } = new URL(url)
    const call = {
      method: init.method ?? 'GET',
      path: pathname + search,
      headers: init.headers as Record<string, string>,
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
    }
    sent.push(call)
    const reply = await answer(call)
    if (reply instanceof Error) throw reply
    const text = reply.body === undefined ? '' : JSON.stringify(reply.body)
    return new Response(text, { status: reply.status, headers: reply.headers })
  }
  return { fetch, sent }
}

export const ok = (data: unknown, status = 200): Reply => ({
  status,
  body: { success: true, data, meta: { request_id: 'r-1' } },
})

export const refused = (status: number, code: string, headers?: Record<string, string>): Reply => ({
  status,
  headers,
  body: { success: false, error: { code, message: `It is ${code}.`, instance: '/' }, meta: { request_id: 'r-1' } },
})

/** One moment for the whole file: a token that is made twice has to be the same, also when the second changes in between. */
const madeAtS = Math.floor(Date.now() / 1000)

/** An unsigned token that says when it expires; `n` tells one from another. */
export function tokenOf(n: number, expiresInS = 900): string {
  const payload = { sub: 'alice', n, exp: madeAtS + expiresInS }
  return `e30.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.sig`
}
export const pairOf = (n: number, expiresInS?: number) => ({
  access_token: tokenOf(n, expiresInS),
  refresh_token: `refresh-${n}`,
})
