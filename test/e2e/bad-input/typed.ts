import { SearchAuditRequestSchema } from '@bitka/proto/bitka/audit/v1/audit_pb'
import { ListTransactionsRequestSchema } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import {
  CreateOrderRequestSchema,
  ListFillsRequestSchema,
  ListOrdersRequestSchema,
} from '@bitka/proto/bitka/order/v1/order_pb'
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import type { RawAnswer } from './raw.ts'
import type { Name, World } from './world.ts'

const binary = <S extends DescMessage>(schema: S, init: MessageInitShape<S>): Buffer =>
  Buffer.from(toBinary(schema, create(schema, init)))

const good = { symbol: 'BTC-THB', side: 1, type: 1, price: '1000', quantity: '0.01' }

/** Field 10 of an order is its metadata: a Struct whose one member is `depth` objects deep. */
function nestedMetadata(depth: number): Buffer {
  const field = (tag: number, bytes: Buffer): Buffer => {
    const size: number[] = []
    for (let left = bytes.length; ; left >>= 7) {
      size.push((left & 127) | (left > 127 ? 128 : 0))
      if (left <= 127) break
    }
    return Buffer.concat([Buffer.of((tag << 3) | 2, ...size), bytes])
  }
  let value = field(3, Buffer.from('x'))
  for (let index = 0; index < depth; index += 1) {
    value = field(5, field(1, Buffer.concat([field(1, Buffer.from('a')), field(2, value)])))
  }
  const member = field(1, Buffer.concat([field(1, Buffer.from('a')), field(2, value)]))
  return Buffer.concat([binary(CreateOrderRequestSchema, good), field(10, member)])
}

const huge = { seconds: 9_000_000_000_000_000n, nanos: 0 }

/** Method, who calls, the message, the status, and what else is sent. */
const calls: readonly (readonly [string, Name, Buffer | string, number, Record<string, string>?])[] = [
  ['order.v1.OrderService/CreateOrder', 'alice', Buffer.from('ffffffffffff', 'hex'), 400],
  ['order.v1.OrderService/CreateOrder', 'alice', Buffer.from('0a02fffe', 'hex'), 400],
  ['order.v1.OrderService/CreateOrder', 'alice', nestedMetadata(21), 400],
  ['order.v1.OrderService/CreateOrder', 'alice', nestedMetadata(2_000), 400],
  ['order.v1.OrderService/CreateOrder', 'alice', binary(CreateOrderRequestSchema, { ...good, side: 99 as never }), 400],
  ['order.v1.OrderService/CreateOrder', 'alice', binary(CreateOrderRequestSchema, { ...good, symbol: 'a\0b' }), 400],
  [
    'order.v1.OrderService/CreateOrder',
    'alice',
    binary(CreateOrderRequestSchema, { ...good, metadata: { a: Number.NaN } }),
    400,
  ],
  ['order.v1.OrderService/CreateOrder', 'alice', '{', 400, { 'content-type': 'application/json' }],
  ['order.v1.OrderService/CreateOrder', 'alice', '{"side":"buy"}', 400, { 'content-type': 'application/json' }],
  [
    'order.v1.OrderService/CreateOrder',
    'alice',
    `${'{"metadata":'.repeat(3_000)}1`,
    400,
    { 'content-type': 'application/json' },
  ],
  ['order.v1.OrderService/CreateOrder', 'alice', Buffer.alloc(70_000), 429],
  ['order.v1.OrderService/CreateOrder', 'alice', '', 400, { 'connect-timeout-ms': '-5' }],
  ['order.v1.OrderService/ListFills', 'alice', '', 504, { 'connect-timeout-ms': '0' }],
  // Times beyond the year 9999 once ended the process that logged them.
  ['order.v1.OrderService/ListFills', 'alice', binary(ListFillsRequestSchema, { from: huge }), 400],
  [
    'order.v1.OrderService/ListFills',
    'alice',
    binary(ListFillsRequestSchema, { from: { seconds: 1n, nanos: -1 } }),
    400,
  ],
  ['ledger.v1.LedgerService/ListTransactions', 'alice', binary(ListTransactionsRequestSchema, { to: huge }), 400],
  ['audit.v1.AuditService/SearchAudit', 'operator', binary(SearchAuditRequestSchema, { from: huge }), 400],
  ['order.v1.OrderService/ListOrders', 'alice', binary(ListOrdersRequestSchema, { status: 99 as never }), 400],
  ['order.v1.OrderService/ListOrders', 'alice', binary(ListOrdersRequestSchema, { page: -1 }), 400],
  ['audit.v1.AuditService/SearchAudit', 'alice', '', 403],
  ['order.v1.OrderService/ListOrders', 'alice', 'x', 415, { 'content-type': 'text/plain' }],
  [
    'order.v1.OrderService/CreateOrder',
    'alice',
    Buffer.from('ffffffffffff', 'hex'),
    401,
    { authorization: 'Bearer x' },
  ],
]

/** The typed dialects: messages that their own clients would not make. */
export function typedSuite(at: () => World): void {
  const call = (
    method: string,
    name: Name,
    body: Buffer | string,
    headers: Record<string, string> = {},
  ): Promise<RawAnswer> =>
    at().as(name, {
      method: 'POST',
      path: `/bitka.${method}`,
      body,
      headers: { 'content-type': 'application/proto', ...headers },
    })

  it.each(calls.map((one) => [one[0], one[1], one] as const))('%s by %s (%#)', async (method, name, one) => {
    const [, , body, status, headers] = one
    const answer = await call(method, name, body, headers)
    expect([answer.status, answer.text]).toEqual([status, expect.any(String)])
    expect(answer.text).not.toMatch(/at .*\.[jt]s|localhost|127\.0\.0\.1|"internal"|select|stack/i)
    expect(answer.headers['x-bitka-profile']).toBe('demo')
  })

  it('has left nothing behind, and every service still there', async () => {
    await at().expectUnchanged()
    expect((await at().send({ path: '/readyz' })).body.dependencies.every(({ ok }: { ok: boolean }) => ok)).toBe(true)
  })
}
