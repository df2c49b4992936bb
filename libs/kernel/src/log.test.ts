import { DomainError } from './errors.ts'
import { createLogger, REDACTED } from './log.ts'

/** What a logger writes, as objects. */
function recorder() {
  const lines: string[] = []
  const log = createLogger('test', { level: 'trace', destination: { write: (line) => lines.push(line) } })
  return { log, text: () => lines.join(''), last: () => JSON.parse(lines.at(-1) ?? '{}') }
}

describe('an error in a log line', () => {
  it('has its type, message, stack and code', () => {
    const { log, last } = recorder()
    log.error({ err: Object.assign(new TypeError('no such file'), { code: 'ENOENT' }) }, 'failed')
    expect(last().err).toEqual({
      type: 'TypeError',
      message: 'no such file',
      stack: expect.stringContaining('log.test.ts'),
      code: 'ENOENT',
    })
    expect(last().msg).toBe('failed')
  })

  it('of gRPC is readable, without its metadata', () => {
    const { log, last, text } = recorder()
    // As grpc-js makes them: metadata whose options refer to the call, which refers to the error.
    const wire: Error & { call?: unknown } = Object.assign(new Error('14 UNAVAILABLE: no connection'), {
      code: 14,
      details: 'no connection',
      metadata: { internalRepr: new Map([['authorization', ['Bearer secret-of-a-user']]]), options: {} },
    })
    wire.call = { error: wire, request: { password: 'hunter2' } }
    log.warn({ err: wire }, 'a call failed')
    expect(last().err).toMatchObject({ type: 'Error', message: '14 UNAVAILABLE: no connection', code: 14 })
    expect(Object.keys(last().err).sort()).toEqual(['code', 'message', 'stack', 'type'])
    expect(text()).not.toMatch(/unable to serialize|secret-of-a-user|hunter2/)
  })

  it('of PostgreSQL does not quote the row', () => {
    const { log, last, text } = recorder()
    const broken = new Error('duplicate key value violates unique constraint "users_email_key"')
    log.error({
      err: Object.assign(broken, { code: '23505', detail: 'Key (email)=(alice@example.com) already exists.' }),
    })
    expect(last().err.code).toBe('23505')
    expect(text()).not.toContain('alice@example.com')
  })

  it('shows its causes, to a bound, and its kind', () => {
    const { log, last } = recorder()
    let cause: unknown = new Error('cause 0')
    for (let index = 1; index < 20; index += 1) cause = new Error(`cause ${index}`, { cause })
    log.error({ err: new DomainError('unavailable', 'Try again.', {}, { cause }) })
    const { err } = last()
    expect(err).toMatchObject({ type: 'DomainError', kind: 'unavailable', cause: { message: 'cause 19' } })
    expect(err.cause.cause.cause.cause.cause.message).toBe('cause 15')
    expect(err.cause.cause.cause.cause.cause.cause).toBeUndefined()
  })

  it('may cause itself', () => {
    const { log, last } = recorder()
    const error = new Error('round')
    error.cause = error
    log.error({ err: error })
    expect(last().err.cause.message).toBe('round')
  })

  it('may be many errors, or none', () => {
    const { log, last } = recorder()
    log.error({ err: new AggregateError([new Error('::1'), new Error('127.0.0.1')], '') })
    expect(last().err).toMatchObject({ type: 'AggregateError', errors: [{ message: '::1' }, { message: '127.0.0.1' }] })
    log.error({ err: 'a text' })
    expect(last().err).toBe('a text')
    log.error({ err: { password: 'hunter2' } })
    expect(last().err).toEqual({ type: 'object' })
  })

  it('is cut when it is very long', () => {
    const { log, text } = recorder()
    log.error({ err: new Error('x'.repeat(1_000_000)) }, 'failed')
    expect(text().length).toBeLessThan(20_000)
  })
})

describe('redaction', () => {
  // Written by hand: what no log may hold, whatever the list in the code says.
  const secrets = [
    'authorization',
    'cookie',
    'password',
    'current_password',
    'currentPassword',
    'new_password',
    'newPassword',
    'token',
    'access_token',
    'accessToken',
    'refresh_token',
    'refreshToken',
    'mfa_token',
    'mfaToken',
    'secret',
    'otp',
    'key',
    'private_key',
    'privateKey',
    'email',
    'body',
  ]

  it.each(secrets)('hides %s at the top and three levels down, also in bindings', (name) => {
    const { log, text, last } = recorder()
    const held = { [name]: 'do-not-show' }
    log.info(held, 'top')
    expect(last()[name]).toBe(REDACTED)
    log.info({ req: held }, 'one')
    expect(last().req[name]).toBe(REDACTED)
    log.info({ req: { headers: held } }, 'two')
    expect(last().req.headers[name]).toBe(REDACTED)
    log.info({ call: { request: { form: held } } }, 'three')
    expect(last().call.request.form[name]).toBe(REDACTED)
    log.child(held).info('bound')
    expect(text()).not.toContain('do-not-show')
  })

  it('hides a whole mail, and the code of a sign-in but not that of an error', () => {
    const { log, text, last } = recorder()
    log.info({ mail: { email: 'alice@example.com', body: { text: 'Your code is 123456' } } })
    log.info({ req: { code: '123456' } })
    expect(text()).not.toMatch(/alice@example|123456/)
    log.info({ err: Object.assign(new Error('x'), { code: 'ECONNRESET' }) })
    expect(last().err.code).toBe('ECONNRESET')
  })

  it('leaves the rest', () => {
    const { log, last } = recorder()
    log.info({ request_id: 'r', route: 'orders', status: 200 }, 'request')
    expect(last()).toMatchObject({ service: 'test', request_id: 'r', route: 'orders', status: 200, msg: 'request' })
  })
})
