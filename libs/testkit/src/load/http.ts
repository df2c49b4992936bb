/** What came of a request: an answer, or nobody knows. */
export type Answer = { status: number; data: unknown; code: string | undefined } | { status: 'unknown'; http?: number }

export type Call = { method: string; path: string; token?: string; key?: string; body?: object; timeoutMs?: number }

type Envelope = { data?: unknown; error?: { code?: string } }

/** One request over REST. A lost connection, a timeout and a 5xx leave the outcome unknown. */
export async function call(
  baseUrl: string,
  { method, path, token, key, body, timeoutMs = 5_000 }: Call,
): Promise<Answer> {
  try {
    const response = await fetch(baseUrl + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    })
    const answer = (await response.json()) as Envelope
    if (response.status >= 500) return { status: 'unknown', http: response.status }
    return { status: response.status, data: answer.data, code: answer.error?.code }
  } catch {
    return { status: 'unknown' }
  }
}
