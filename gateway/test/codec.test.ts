import { DomainError } from '@bitka/kernel'
import { Role, SetRolesRequestSchema } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { OrderSide, OrderType, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import {
  CreateOrderRequestSchema,
  ListOrdersResponseSchema,
  OrderSchema,
  OrderStatus,
} from '@bitka/proto/bitka/order/v1/order_pb'
import { create, type DescMessage } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import { publicMethods } from '../src/methods.ts'
import { publicServices } from '../src/public-services.ts'
import { decodeMessage, type Problems } from '../src/rest/decode.ts'
import { encodeMessage } from '../src/rest/encode.ts'
import { restFields } from '../src/rest/fields.ts'
import { parseJson, parseJsonText } from '../src/rest/json.ts'
import { formatTime, parseTime } from '../src/rest/time.ts'

const reasonOf = (text: string): string | undefined => {
  try {
    parseJsonText(text)
    return undefined
  } catch (error) {
    if (!(error instanceof DomainError)) return String(error)
    const [[field, reason] = []] = Object.entries(error.details)
    return field === 'body' ? reason : `${field}: ${reason}`
  }
}

const plain = (value: unknown): unknown =>
  value instanceof Map
    ? Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]))
    : Array.isArray(value)
      ? value.map(plain)
      : typeof value === 'object' && value !== null && 'text' in value
        ? Number(value.text)
        : value

describe('JSON', () => {
  it.each([
    ['{"a":1,"a":2}', 'a: is given twice'],
    ['{"a":1,"\\u0061":2}', 'a: is given twice'], // the same name in another spelling
    ['{"a":[{},{"b":1,"b":2}]}', 'a[1].b: is given twice'],
    ['{"a":{"__proto__":1}}', 'a.__proto__: is no name of a field'],
    ['{"__proto__":{}}', '__proto__: is no name of a field'],
    ['{"a":["x","\\ud800"]}', 'a[1]: holds text that is not Unicode'],
    [`${'['.repeat(22)}${']'.repeat(22)}`, 'is nested deeper than 20'],
    ['{"a":', 'ends too early'],
    ['{"a":1}}', 'is not JSON at character 7'],
    ['{"a":01}', 'is not JSON at character 6'],
    ["{'a':1}", 'is not JSON at character 1'],
    ['{"a":1,}', 'is not JSON at character 7'],
    ['{"a":"\n"}', 'is not JSON at character 5'],
    ['{"a":NaN}', 'is not JSON at character 5'],
    ['{"a":1e999}', 'holds a number that is too large'],
    ['"\\ud800"', 'holds text that is not Unicode'],
    ['"\\u0000"', 'holds text that is not Unicode'],
    ['', 'ends too early'],
  ])('refuses %s', (text, reason) => {
    expect(reasonOf(text)).toBe(reason)
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow('not valid JSON')
  })

  it('reads what JSON.parse reads, whatever it is', () => {
    fc.assert(
      fc.property(
        // The one name that is refused, and that fast-check likes to try.
        fc.json({ maxDepth: 5 }).filter((text) => !text.includes('__proto__')),
        (text) => expect(plain(parseJsonText(text))).toEqual(JSON.parse(text)),
      ),
    )
  })

  it('reads what JSON.parse reads', () => {
    const text = ' {"a": [1, -2.5e3, true, null, "x\\n\\u00e9😀"], "b": {"c": {}}} '
    expect(plain(parseJsonText(text))).toEqual(JSON.parse(text))
  })
})

const problemsOf = (desc: DescMessage, text: string): Problems => {
  const problems: Problems = {}
  decodeMessage(desc, parseJsonText(text), problems)
  return problems
}

describe('requests', () => {
  it('become messages', () => {
    const text = JSON.stringify({
      symbol: 'BTC-THB',
      side: 'buy',
      type: 'limit',
      price: '100',
      quantity: '0.5',
      time_in_force: 'GTC',
      post_only: false,
      client_order_id: null,
      metadata: { note: 'x', list: [1, { deep: true }], __proto__: 'own' },
    })
    const problems: Problems = {}
    const message = decodeMessage(CreateOrderRequestSchema, parseJsonText(text), problems)
    expect(problems).toEqual({})
    const { $typeName, ...fields } = message as typeof message & Record<string, unknown>
    expect(fields).toEqual({
      symbol: 'BTC-THB',
      side: OrderSide.BUY,
      type: OrderType.LIMIT,
      price: '100',
      quantity: '0.5',
      timeInForce: TimeInForce.GTC,
      postOnly: false,
      clientOrderId: undefined,
      metadata: { note: 'x', list: [1, { deep: true }] },
    })
  })

  it.each([
    ['{"nope":1}', { nope: 'unknown field' }],
    ['{"orderId":"x"}', { orderId: 'unknown field' }], // the contract's names only
    ['{"quantity":1}', { quantity: 'must be a string' }], // amounts are never numbers
    ['{"quantity":null}', { quantity: 'must be a string' }],
    ['{"side":"BUY"}', { side: 'must be one of buy, sell' }],
    ['{"side":1}', { side: 'must be one of buy, sell' }],
    ['{"post_only":"true"}', { post_only: 'must be true or false' }],
    ['{"metadata":[]}', { metadata: 'must be an object' }],
    ['[]', { body: 'must be an object' }],
    ['{"side":"x","type":7}', { side: 'must be one of buy, sell', type: 'must be one of limit, market' }],
  ])('%s', (text, problems) => {
    expect(problemsOf(CreateOrderRequestSchema, text)).toEqual(problems)
  })

  it('take lists of words, and name the item that is wrong', () => {
    const problems: Problems = {}
    const message = decodeMessage(SetRolesRequestSchema, parseJsonText('{"roles":["admin","user"]}'), problems)
    expect(message).toMatchObject({ roles: [Role.ADMIN, Role.USER] })
    expect(problemsOf(SetRolesRequestSchema, '{"roles":["admin","king"]}')).toEqual({
      'roles[1]': 'must be one of user, support, compliance, treasury, operator, admin, auditor',
    })
    expect(problemsOf(SetRolesRequestSchema, '{"roles":"admin"}')).toEqual({ roles: 'must be an array' })
  })

  it.each([
    ['2026-01-31T00:00:00Z', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31T07:00:00.1234567+07:00', '2026-01-31T00:00:00.123Z'],
    ['2026-02-30T00:00:00Z', undefined],
    ['2026-13-01T00:00:00Z', undefined],
    ['2026-01-01T24:00:00Z', undefined],
    ['2026-01-01T00:00:00', undefined],
    ['2026-01-01', undefined],
    ['0026-01-01T00:00:00Z', undefined],
    ['1767225600000', undefined],
  ])('the time %s is %s', (text, expected) => {
    const time = parseTime(text)
    expect(time && formatTime(time)).toBe(expected)
  })
})

describe('answers', () => {
  it('leave out what is unset, write null where the contract says so, and always write lists, zeros and false', () => {
    const order = create(OrderSchema, {
      orderId: 'o1',
      side: OrderSide.SELL,
      status: OrderStatus.PARTIALLY_FILLED,
      createdAt: timestampFromMs(Date.UTC(2026, 0, 2, 3, 4, 5, 6)),
      metadata: { a: 1 },
      revision: 7n,
    })
    expect(encodeMessage(OrderSchema, order)).toEqual({
      order_id: 'o1',
      client_order_id: null,
      side: 'sell',
      price: null,
      status: 'partially_filled',
      post_only: false,
      created_at: '2026-01-02T03:04:05.006Z',
      fills: [],
      metadata: { a: 1 },
      revision: 7,
    })
  })

  it('write a list with its page', () => {
    const message = create(ListOrdersResponseSchema, { pagination: { page: 1, perPage: 25, total: 0n, totalPages: 0 } })
    expect(encodeMessage(ListOrdersResponseSchema, message)).toEqual({
      items: [],
      pagination: { page: 1, per_page: 25, total: 0, total_pages: 0 },
    })
  })
})

it('every public message has a form in REST', () => {
  const seen = new Set<DescMessage>()
  const visit = (desc: DescMessage): void => {
    if (seen.has(desc)) return
    seen.add(desc)
    for (const { type } of restFields(desc)) if (type.is === 'message') visit(type.desc)
  }
  for (const { desc } of publicMethods(publicServices)) {
    visit(desc.input)
    visit(desc.output)
  }
  expect(seen.size).toBeGreaterThan(80)
})
