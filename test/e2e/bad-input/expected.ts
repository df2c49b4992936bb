import { sentence, uuid } from '../rest.ts'
import type { RawAnswer } from './raw.ts'

const codes: Readonly<Record<number, string>> = {
  400: 'INVALID_INPUT',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'INVALID_INPUT',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  422: 'INSUFFICIENT_FUNDS',
  429: 'RATE_LIMITED',
  431: 'INVALID_INPUT',
}

/** Of stacks, SQL, drivers, hosts and files of ours. */
const LEAK =
  /\bat [^ ]+ \(|\.[cm]?[jt]s:\d+|node_modules|ECONN|EPIPE|\bselect\b.*\bfrom\b|\binsert into\b|\bpg_|violates|constraint|localhost|127\.0\.0\.1|spiffe:|grpc|protobuf|undefined|\[object/i

export type Refusal = { status: number; fields?: readonly string[]; instance?: string }

/** A whole refusal: status, code, path, request id, headers, the fields at fault, and nothing of our insides. */
export function expectRefusal(answer: RawAnswer, { status, fields, instance = answer.path }: Refusal): void {
  const { headers, body, text } = answer
  const details = fields && Object.fromEntries(fields.map((field) => [field, expect.stringMatching(/\S/)]))
  expect({ status: answer.status, body }).toEqual({
    status,
    body: {
      success: false,
      error: { code: codes[status], message: sentence, instance, ...(details && { details }) },
      meta: { request_id: uuid },
    },
  })
  expect(headers['x-request-id']).toBe(body.meta.request_id)
  expectCommon(answer)
  expect(headers['cache-control']).toBe('no-store')
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  if (status === 401) expect(headers['www-authenticate']).toMatch(/^Bearer/)
  const { instance: _, ...told } = body.error
  expect(JSON.stringify(told)).not.toMatch(LEAK)
  expect(text).not.toMatch(/"stack"|"cause"/)
}

/** What every answer has, whatever it answers. */
export function expectCommon({ headers }: RawAnswer): void {
  expect(headers['x-request-id']).toEqual(uuid)
  expect(headers['x-bitka-profile']).toBe('demo')
  expect(headers['x-content-type-options']).toBe('nosniff')
  expect(headers['content-security-policy']).toContain("default-src 'none'")
  expect(headers['x-powered-by']).toBeUndefined()
  expect(headers.server).toBeUndefined()
}

/** A refusal of the sort that the status says, which names these fields, perhaps with others. */
export function expectNamed(answer: RawAnswer, status: number, field: string): void {
  expect({ status: answer.status, named: Object.keys(answer.body?.error?.details ?? {}) }).toEqual({
    status,
    named: expect.arrayContaining([field]),
  })
  expectRefusal(answer, { status, fields: Object.keys(answer.body.error.details) })
}
