import { expectNamed, expectRefusal } from './expected.ts'
import type { Name, World } from './world.ts'

const paged = ['page=0', 'page=-1', 'page=1.5', 'page=x', 'page=', 'page=1e1', 'page=%D9%A1', 'page=2147483648']
const sized = ['per_page=0', 'per_page=201', 'per_page=-1', 'per_page=', 'per_page=ten']
const limited = ['limit=0', 'limit=1001', 'limit=-1', 'limit=x', 'limit=']
const cursors = [
  'cursor=',
  'cursor=x',
  'cursor=AAAA',
  'cursor=W10',
  'cursor=bnVsbA',
  'cursor=eyJhIjoxfQ',
  'cursor=%00',
  'cursor=%ff',
  `cursor=${'A'.repeat(8_000)}`,
]
const times = (name: string): string[] =>
  [
    '',
    'now',
    '2026-01-31',
    '2026-01-31T00:00:00',
    '2026-02-30T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T00:00:60Z',
    '2026-01-31T00:00:00+24:00',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-23:59',
    '+010000-01-01T00:00:00Z',
    '1769817600',
    "2026-01-31T00:00:00Z' or 1=1",
  ].map((text) => `${name}=${encodeURIComponent(text)}`)
const words = (name: string): string[] => ['', 'nope', 'OPEN', '1', 'open,filled'].map((word) => `${name}=${word}`)
const flags = (name: string): string[] => ['', '1', 'yes', 'TRUE', 'null'].map((word) => `${name}=${word}`)

/** Route → who may ask → what is wrong; each names its own parameter. */
const lists: readonly (readonly [string, Name, readonly string[]])[] = [
  ['/v1/orders', 'alice', [...paged, ...sized, ...cursors, ...words('status')]],
  ['/v1/fills', 'alice', [...paged, ...sized, ...cursors, ...times('from'), ...times('to')]],
  ['/v1/ledger/accounts', 'alice', [...paged, ...sized]],
  [
    '/v1/ledger/transactions',
    'alice',
    [...paged, ...sized, ...cursors, ...words('status'), ...times('from'), ...times('to')],
  ],
  ['/v1/ledger/assets', 'alice', flags('active_only')],
  ['/v1/marketdata/symbols', 'alice', [...paged, ...sized, ...flags('active')]],
  ['/v1/marketdata/ticks?symbol=BTC-THB', 'alice', [...limited, ...cursors, ...times('start'), ...times('end')]],
  ['/v1/marketdata/candles?symbol=BTC-THB&interval=1m', 'alice', [...limited, ...times('start'), ...times('end')]],
  ['/v1/marketdata/candles?symbol=BTC-THB', 'alice', ['', 'interval=', 'interval=2m', 'interval=1M']],
  ['/v1/marketdata/orderbook/BTC-THB', 'alice', ['depth=0', 'depth=1001', 'depth=-1', 'depth=x']],
  ['/v1/marketdata/orderbook/BTC-THB/history', 'alice', [...limited, ...times('start'), ...times('end')]],
  ['/v1/admin/users', 'operator', [...paged, ...sized, ...words('role'), 'query=%00', `query=${'x'.repeat(300)}`]],
  ['/v1/admin/audit', 'operator', [...paged, ...sized, ...times('from'), ...times('to')]],
  ['/v1/admin/notifications/deliveries', 'operator', [...paged, ...sized, ...words('status')]],
  ['/v1/fees', 'alice', [...paged, ...sized]],
  ['/v1/admin/markets', 'operator', [...paged, ...sized]],
  [
    '/v1/admin/services/ledger/dead-letters',
    'operator',
    [...paged, ...sized, 'limit=-1', 'limit=x', 'limit=100000000', 'limit=1&per_page=1'],
  ],
]

/** What stands behind the question mark. */
export function querySuite(at: () => World): void {
  it.each(lists)('%s by %s names the parameter at fault', async (path, name, cases) => {
    const world = at()
    const plus = (query: string): string => `${path}${query === '' ? '' : path.includes('?') ? '&' : '?'}${query}`
    await Promise.all(
      cases.map(async (query) => {
        const answer = await world.as(name, { path: plus(query) })
        const parameter = query === '' ? 'interval' : query.slice(0, query.indexOf('='))
        if (answer.status !== 400) throw new Error(`${query}: ${answer.status} ${answer.text.slice(0, 300)}`)
        expectNamed(answer, 400, parameter)
      }),
    )
    for (const [query, parameter] of [
      ['nope=1', 'nope'],
      ['Page=1', 'Page'],
      ['__proto__=1', '__proto__'],
      ['constructor=1', 'constructor'],
      ['%ff=1', '%ff'],
      ['order.id=1', 'order.id'],
    ] as const) {
      expectNamed(await world.as(name, { path: plus(query) }), 400, parameter)
    }
    const [first] = cases
    const twice = first?.split('=')[0]
    if (twice) expectNamed(await world.as(name, { path: plus(`${twice}=1&${twice}=1`) }), 400, twice)
  })

  it('a cursor that was made up is 400, or a place in the list, and nobody’s failure', async () => {
    const made = [
      [8_640_000_000_000_001, '1'],
      [8_640_000_000_000_000, '1'],
      [9_007_199_254_740_991, '999999999999999999'],
      8_640_000_000_000_001,
      9_007_199_254_740_991,
      1e300,
      -1,
      0,
      '99999999999999999999999',
      '9223372036854775808',
      ['9999-12-31T23:59:59.999Z', '999999999999999999'],
      ['2026-02-30T00:00:00Z', '01890000-0000-7000-8000-000000000000'],
      ['2026-01-01T00:00:00Z', '01890000-0000-7000-8000-000000000000'],
      ['now', 'x'],
      ['2026-01-01T00:00:00Z', "' or 1=1"],
      { at: 1 },
      [[[]]],
      null,
      '01890000-0000-7000-8000-000000000000',
    ].map((key) => Buffer.from(JSON.stringify(key)).toString('base64url'))
    const paths: readonly (readonly [Name, string])[] = [
      ['alice', '/v1/orders?'],
      ['alice', '/v1/fills?'],
      ['alice', '/v1/ledger/transactions?'],
      ['alice', '/v1/marketdata/ticks?symbol=BTC-THB&'],
      ['alice', '/v1/marketdata/candles?symbol=BTC-THB&interval=1m&'],
      ['operator', '/v1/admin/audit?'],
    ]
    for (const [name, path] of paths) {
      await Promise.all(
        made.map(async (cursor) => {
          const answer = await at().as(name, { path: `${path}cursor=${cursor}` })
          if (answer.status === 200) return
          if (answer.status !== 400) throw new Error(`${path} ${Buffer.from(cursor, 'base64url')}: ${answer.text}`)
          expectNamed(answer, 400, 'cursor')
        }),
      )
    }
  })

  it('routes without parameters take none', async () => {
    for (const path of ['/v1/time', '/v1/users/me', '/.well-known/jwks.json']) {
      expectNamed(await at().as('operator', { path: `${path}?a=1` }), 400, 'a')
    }
  })

  it('a route with a body takes no parameters: its fields have one place', async () => {
    const path = '/v1/orders?symbol=BTC-THB'
    const body = { side: 'buy', type: 'limit', price: '1000', quantity: '0.01' }
    expectNamed(await at().as('alice', { method: 'POST', path, body }), 400, 'symbol')
  })

  it('an unknown market is 404, a missing one 400', async () => {
    const world = at()
    for (const path of [
      'ticks?symbol=NO-PE',
      'candles?interval=1m&symbol=NO-PE',
      'orderbook/NO-PE',
      'orderbook/NO-PE/history',
    ]) {
      expectRefusal(await world.send({ path: `/v1/marketdata/${path}` }), { status: 404 })
    }
    expectNamed(await world.send({ path: '/v1/marketdata/ticks' }), 400, 'symbol')
    expectNamed(await world.send({ path: '/v1/marketdata/candles?interval=1m' }), 400, 'symbol')
  })

  it('has left nothing behind', () => at().expectUnchanged())
}
