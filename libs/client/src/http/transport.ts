import { BitkaApiError } from '../errors.ts'
import { readAnswer } from './answer.ts'
import { type Repeatable, type RetryOptions, RetryPolicy } from './retry.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>
export type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** What a caller may say about one call. */
export type CallOptions = {
  /** Default: a new UUID for each call. Name one to repeat a call of an earlier run. */
  idempotencyKey?: string
  /** The whole call with all its retries. Default 30 s. */
  deadlineMs?: number
  signal?: AbortSignal
}

/** One call of the API, as the API functions describe it. */
export type Call = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  query?: Query
  body?: unknown
  headers?: Readonly<Record<string, string>>
  /** Carries an Idempotency-Key, so that repeating it does not do it twice. */
  keyed?: boolean
  /** Without a key and not a read, yet safe to repeat. */
  repeatable?: boolean
  /** Sign-in routes: no token is sent or renewed. */
  anonymous?: boolean
  /** The answer is the data itself, without the envelope. */
  bare?: boolean
  /** Answers besides success that are not thrown. */
  accept?: readonly number[]
  options?: CallOptions
}

export type TransportOptions = {
  baseUrl: string
  fetch: Fetch
  userAgent?: string
  retry?: RetryOptions
  /** One try; the next one begins after it. Default 10 s. */
  attemptTimeoutMs?: number
  /** Default 30 s. */
  deadlineMs?: number
  random: () => number
  nowMs: () => number
}

/** Where tokens come from. */
export type TokenSource = {
  accessToken(): Promise<string | undefined>
  renewedToken(refused: string | undefined): Promise<string | undefined>
}

/** Sends calls over fetch, with tokens, retries and deadlines. */
export class Transport {
  readonly baseUrl: string
  private readonly retry: RetryPolicy

  constructor(
    private readonly options: TransportOptions,
    private readonly tokens: () => TokenSource,
  ) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, '')
    this.retry = new RetryPolicy(options.retry ?? {}, options.random)
  }

  async send<T>(call: Call): Promise<T> {
    const { nowMs } = this.options
    const deadline = nowMs() + (call.options?.deadlineMs ?? this.options.deadlineMs ?? 30_000)
    const repeatable: Repeatable = call.keyed || call.repeatable || call.method === 'GET' ? 'always' : 'if-not-begun'
    const headers = this.headersOf(call)
    let token = call.anonymous ? undefined : await this.tokens().accessToken()
    let renewed = false
    for (let attempt = 1; ; attempt += 1) {
      try {
        const data = await this.once<T>(call, token, headers, deadline)
        this.retry.succeeded()
        return data
      } catch (error) {
        if (!(error instanceof BitkaApiError)) throw error
        if (error.code === 'UNAUTHORIZED' && !call.anonymous && !renewed && token !== undefined) {
          renewed = true
          token = await this.tokens().renewedToken(token)
          if (token === undefined) throw error
          continue
        }
        const pauseMs = this.retry.next(error, repeatable, attempt, deadline - nowMs())
        if (pauseMs === undefined) throw error
        await pause(pauseMs, call.options?.signal)
      }
    }
  }

  /** The same for every try of a call: the key that makes a repeat safe, and the id that joins its traces. */
  private headersOf(call: Call): Record<string, string> {
    const { userAgent } = this.options
    return {
      accept: 'application/json',
      'x-request-id': crypto.randomUUID(),
      ...(userAgent !== undefined && { 'user-agent': userAgent }),
      ...(call.body !== undefined && { 'content-type': 'application/json' }),
      ...(call.keyed && { 'idempotency-key': call.options?.idempotencyKey ?? crypto.randomUUID() }),
      ...call.headers,
    }
  }

  private async once<T>(
    call: Call,
    token: string | undefined,
    headers: Record<string, string>,
    deadline: number,
  ): Promise<T> {
    const { attemptTimeoutMs = 10_000, nowMs, fetch } = this.options
    const signal = call.options?.signal
    signal?.throwIfAborted()
    const controller = new AbortController()
    const abort = (): void => controller.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    const timer = setTimeout(
      () => controller.abort(new Error('no answer in time')),
      Math.max(1, Math.min(attemptTimeoutMs, deadline - nowMs())),
    )
    try {
      const response = await fetch(`${this.baseUrl}${call.path}${queryText(call.query)}`, {
        method: call.method,
        headers: token === undefined ? headers : { ...headers, authorization: `Bearer ${token}` },
        body: call.body === undefined ? undefined : JSON.stringify(call.body),
        signal: controller.signal,
        redirect: 'error',
      })
      return await readAnswer<T>(response, call)
    } catch (error) {
      if (error instanceof BitkaApiError) throw error
      signal?.throwIfAborted()
      const message = `No answer from ${this.baseUrl}.`
      throw new BitkaApiError({ code: 'CONNECTION_FAILED', message }, { cause: error })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }
}

function queryText(query: Query | undefined): string {
  const entries = Object.entries(query ?? {}).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  )
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`
}

/** Sleeps, unless the caller gives up first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
