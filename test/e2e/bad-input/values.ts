import { randomUUID } from 'node:crypto'
import { expectNamed, expectRefusal } from './expected.ts'
import type { Json, RawAnswer } from './raw.ts'
import { routes } from './routes.ts'
import type { Name, World } from './world.ts'

/** Texts that look like amounts, and are none. */
const noAmounts: readonly string[] = [
  'NaN',
  'Infinity',
  '-1',
  '+1',
  '-0',
  '0',
  '0.0',
  '1e5',
  '1E5',
  '0x10',
  `1${'0'.repeat(40)}`,
  '9'.repeat(10_000),
  `0.${'0'.repeat(18)}1`,
  '01',
  '00.1',
  '1.',
  '.5',
  '1,5',
  '1_000',
  '1 ',
  ' 1',
  '1.2.3',
  '١٢',
  '１',
  '½',
  '1\n',
  '',
  'null',
  '1; drop table postings',
]

/** Enough of them for fields that only operators set. */
const someNoAmounts = noAmounts.filter((_, index) => index % 3 === 0)

const long = 'x'.repeat(10_000)
const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 1]))

/** Route → what replaces fields of its good body → the field at fault. */
const wrong: Readonly<Record<string, readonly (readonly [object, string])[]>> = {
  'POST /v1/auth/register': [
    ...['ab', 'x'.repeat(31), 'a b', 'ünïcode', '../../etc', 'a@b', 'alice\n', '<b>alice</b>', long].map(
      (username) => [{ username }, 'username'] as const,
    ),
    ...['x', 'a@', '@b.test', 'a@b', 'a b@c.test', 'a@b.test\n', 'a@b..test', `${'x'.repeat(300)}@x.test`, long].map(
      (email) => [{ email }, 'email'] as const,
    ),
    ...['short', 'x'.repeat(129), 'password1234', '123456789012', 'aaaaaaaaaaaaaa', long].map(
      (password) => [{ password }, 'password'] as const,
    ),
  ],
  'POST /v1/auth/mfa/verify': [
    [{ method: 'sms' }, 'method'],
    [{ method: 'TOTP' }, 'method'],
    [{ method: 'webauthn' }, 'assertion'],
  ],
  'POST /v1/users/me/change-password': [
    [{ new_password: 'short' }, 'new_password'],
    [{ new_password: long }, 'new_password'],
    [{ current_password: 'not the password' }, 'current_password'],
  ],
  'PATCH /v1/users/me': [
    [{ full_name: 'x'.repeat(101) }, 'full_name'],
    [{ full_name: 'a\u202eb' }, 'full_name'],
    ...['javascript:alert(1)', 'data:text/html,x', 'http://example.com/a', '//evil.test', '/a/../b', long].map(
      (avatar_url) => [{ avatar_url }, 'avatar_url'] as const,
    ),
    [{ locale: 'xx' }, 'locale'],
    [{ locale: '' }, 'locale'],
  ],
  'PUT /v1/admin/users/{user_id}/roles': [
    [{ roles: [] }, 'roles'],
    [{ roles: ['root'] }, 'roles[0]'],
    [{ roles: ['user', 'Admin'] }, 'roles[1]'],
    [{ roles: [''] }, 'roles[0]'],
    [{ roles: [null] }, 'roles[0]'],
  ],
  'POST /v1/admin/users/{user_id}/disable': [[{ reason: long }, 'reason']],
  'POST /v1/ledger/transactions': [
    ...noAmounts.map((amount) => [{ amount }, 'amount'] as const),
    [{ amount: '0.001' }, 'amount'],
    [{ type: 'deposit' }, 'type'],
    [{ type: 'TRANSFER' }, 'type'],
    [{ asset: 'BTC' }, 'asset'],
    [{ asset: 'thb' }, 'asset'],
    [{ asset: long }, 'asset'],
    [{ destination_account_username: 'nobody-of-this-name' }, 'destination_account_username'],
    [{ destination_account_username: 'alice' }, 'destination_account_username'],
    [{ destination_account_username: 'ALICE' }, 'destination_account_username'],
    [{ destination_account_username: long }, 'destination_account_username'],
    [{ description: 'x'.repeat(201) }, 'description'],
    [{ metadata: many }, 'metadata'],
    [{ metadata: { a: 'x'.repeat(1_025) } }, 'metadata'],
  ],
  'POST /v1/ledger/assets': [
    ...['A', 'ABCDEFGHIJK', 'btc', 'BT-C', 'BTC ', '฿฿', long].map((symbol) => [{ symbol }, 'symbol'] as const),
    [{ name: long }, 'name'],
    [{ name: ' ' }, 'name'],
    [{ type: 'crypto' }, 'type'],
    [{ decimals: -1 }, 'decimals'],
    [{ decimals: 19 }, 'decimals'],
    [{ icon_url: 'javascript:alert(1)' }, 'icon_url'],
    [{ icon_url: '//evil.test/x.svg' }, 'icon_url'],
    [{ icon_url: long }, 'icon_url'],
  ],
  'PUT /v1/ledger/assets/{symbol}': [
    [{ symbol: 'BTC' }, 'symbol'],
    [{ name: '' }, 'name'],
    [{ decimals: 19 }, 'decimals'],
    [{ icon_url: 'ftp://x' }, 'icon_url'],
  ],
  'POST /v1/orders': [
    ...noAmounts.flatMap((text) => [[{ price: text }, 'price'] as const, [{ quantity: text }, 'quantity'] as const]),
    [{ price: '100.001' }, 'price'],
    [{ price: '0.001' }, 'price'],
    [{ quantity: '0.0000001' }, 'quantity'],
    [{ quantity: '0.0100005' }, 'quantity'],
    [{ quantity: '101' }, 'quantity'],
    [{ price: '1', quantity: '0.01' }, 'quantity'],
    ...['NO-SUCH', 'BTC', 'btc-thb', 'BTC/THB', 'BTC-THB ', "BTC-THB' or 1=1", long].map(
      (symbol) => [{ symbol }, 'symbol'] as const,
    ),
    [{ side: 'BUY' }, 'side'],
    [{ side: 'hold' }, 'side'],
    [{ type: 'stop' }, 'type'],
    [{ type: 'market' }, 'price'],
    [{ type: 'market', price: undefined, post_only: true, time_in_force: 'IOC' }, 'post_only'],
    [{ time_in_force: 'gtc' }, 'time_in_force'],
    [{ time_in_force: 'DAY' }, 'time_in_force'],
    [{ time_in_force: 'IOC', post_only: true }, 'post_only'],
    [{ self_trade_prevention: 'none' }, 'self_trade_prevention'],
    ...['', ' ', 'a b', 'ü', 'x'.repeat(65), long].map((id) => [{ client_order_id: id }, 'client_order_id'] as const),
    [{ metadata: many }, 'metadata'],
    [{ metadata: { a: 'x'.repeat(1_025) } }, 'metadata'],
  ],
  'DELETE /v1/orders/{order_id}': [
    ...['', 'a b', 'ü', 'x'.repeat(65)].map((id) => [{ client_cancel_id: id }, 'client_cancel_id'] as const),
    [{ reason: 'x'.repeat(201) }, 'reason'],
    [{ order_id: randomUUID() }, 'order_id'],
  ],
  'POST /v1/admin/markets': [
    ...['tick_size', 'lot_size', 'min_quantity', 'max_quantity'].flatMap((field) =>
      someNoAmounts.map((text) => [{ [field]: text }, field] as const),
    ),
    ...someNoAmounts
      .filter((text) => !/^0(\.0)?$/.test(text))
      .map((text) => [{ min_notional: text }, 'min_notional'] as const),
    [{ symbol: 'ETH-THB' }, 'symbol'],
    [{ symbol: 'ETHBTC' }, 'symbol'],
    [{ symbol: long }, 'symbol'],
    [{ base_asset: 'NOPE', symbol: 'NOPE-BTC' }, 'base_asset'],
    [{ quote_asset: 'ETH', symbol: 'ETH-ETH' }, 'quote_asset'],
    [{ price_band_bps: 0 }, 'price_band_bps'],
    [{ price_band_bps: -1 }, 'price_band_bps'],
    [{ maker_fee_bps: -1 }, 'maker_fee_bps'],
    [{ taker_fee_bps: 10_001 }, 'taker_fee_bps'],
    [{ max_open_orders: 0 }, 'max_open_orders'],
    [{ status: 'open' }, 'status'],
    [{ max_quantity: '0.0001' }, 'max_quantity'],
  ],
  'PUT /v1/admin/markets/{symbol}': [
    ...['min_quantity', 'max_quantity'].flatMap((field) =>
      someNoAmounts.map((text) => [{ [field]: text }, field] as const),
    ),
    [{ symbol: 'BTC-THB' }, 'symbol'],
    [{ price_band_bps: 0 }, 'price_band_bps'],
    [{ taker_fee_bps: -1 }, 'taker_fee_bps'],
    [{ status: 'gone' }, 'status'],
  ],
  'POST /v1/admin/markets/{symbol}/halt': [
    [{ reason: 'x'.repeat(201) }, 'reason'],
    [{ symbol: 'BTC-THB' }, 'symbol'],
  ],
}

/** What is decided against, rather than misunderstood: whose, what, and the status. */
const decided: readonly (readonly [string, Name, (world: World) => object, number])[] = [
  ['POST /v1/orders', 'alice', () => ({ quantity: '99', price: '9000000' }), 422],
  ['POST /v1/orders', 'alice', () => ({ side: 'sell', quantity: '11' }), 422],
  ['POST /v1/ledger/transactions', 'alice', () => ({ amount: '1000000.01' }), 422],
  ['POST /v1/ledger/transactions', 'alice', ({ accounts }) => ({ account_id: accounts.bob.THB }), 404],
  ['POST /v1/ledger/transactions', 'alice', () => ({ account_id: 'not-an-id' }), 404],
  ['POST /v1/ledger/transactions', 'alice', () => ({ account_id: randomUUID() }), 404],
  ['POST /v1/ledger/transactions', 'alice', () => ({ type: 'credit', destination_account_username: undefined }), 403],
  ['POST /v1/ledger/transactions', 'alice', () => ({ type: 'debit', destination_account_username: undefined }), 403],
  ['POST /v1/ledger/assets', 'operator', () => ({ symbol: 'BTC' }), 409],
  ['POST /v1/auth/register', 'alice', ({ people }) => ({ username: people.bob.username.toUpperCase() }), 409],
  ['POST /v1/auth/register', 'alice', ({ people }) => ({ email: people.bob.email.toUpperCase() }), 409],
  ['POST /v1/auth/register', 'alice', () => ({ username: 'Operator' }), 409],
  ['POST /v1/auth/login', 'alice', () => ({ identifier: long }), 401],
  ['POST /v1/auth/login', 'alice', () => ({ identifier: "' or 1=1 --" }), 401],
  ['POST /v1/auth/refresh', 'alice', () => ({ refresh_token: long }), 401],
  ['POST /v1/auth/mfa/verify', 'alice', () => ({ mfa_token: long }), 401],
  [
    'POST /v1/admin/markets',
    'operator',
    () => ({
      symbol: 'BTC-THB',
      base_asset: 'BTC',
      quote_asset: 'THB',
      tick_size: '0.01',
      lot_size: '0.000001',
      min_notional: '1',
    }),
    409,
  ],
  ['POST /v1/webhooks/mailgun', 'alice', () => ({}), 403],
]

/** Values that no field takes, however well they are written. */
export function valueSuite(at: () => World): void {
  const post = (name: string, change: object, as?: Name): Promise<RawAnswer> => {
    const example = routes[name]!
    const world = at()
    const [method = ''] = name.split(' ')
    const who = as ?? example.as
    const body = { ...(example.body(world) as Record<string, Json>), ...change }
    return world.send({ method, path: example.path(world), token: who && world.token(who), body })
  }

  it.each(Object.entries(wrong))('%s', async (name, cases) => {
    // In small groups: passwords are slow to check, and the exchange pushes back when all come at once.
    for (let start = 0; start < cases.length; start += 16) {
      const group = cases.slice(start, start + 16)
      await Promise.all(
        group.map(async ([change, field]) => {
          const answer = await post(name, change)
          if (answer.status !== 400 || answer.body?.error?.details?.[field] === undefined) {
            throw new Error(`${JSON.stringify(change).slice(0, 200)}: ${answer.status} ${answer.text.slice(0, 300)}`)
          }
          expectNamed(answer, 400, field)
        }),
      )
    }
    await at().expectUnchanged()
  })

  it.each(decided)('%s by %s is decided against (%#)', async (name, as, change, status) => {
    const answer = await post(name, change(at()), as)
    expectRefusal(answer, {
      status,
      fields:
        Object.keys(answer.body?.error?.details ?? {}).length > 0 ? Object.keys(answer.body.error.details) : undefined,
    })
  })

  it('has left nothing behind', () => at().expectUnchanged())

  it('a halted market makes a rejected order with its reason, and holds nothing', async () => {
    const world = at()
    const market = '/v1/admin/markets/ETH-THB'
    await world.as('operator', { method: 'POST', path: `${market}/halt`, body: {} })
    const body = { symbol: 'ETH-THB', side: 'buy', type: 'limit', price: '1000', quantity: '0.01' }
    const answer = await world.as('alice', { method: 'POST', path: '/v1/orders', body, headers: { prefer: 'wait=5' } })
    await world.as('operator', { method: 'POST', path: `${market}/resume`, body: {} })
    expect(answer.body.data).toMatchObject({ order: { status: 'rejected', reject_reason: 'market_halted' } })
    expect((await world.data('alice', '/v1/ledger/accounts?asset=THB')).items[0].locked).toBe('100')
    await world.remember()
  })
}
