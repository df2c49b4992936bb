import { randomUUID } from 'node:crypto'
import type { Name, World } from './world.ts'

/** A request that would be taken as it stands, so that one thing wrong with it is the only thing wrong. */
export type Example = {
  /** Who may send it; nobody in particular where no token is looked at. */
  as?: Name
  path: (world: World) => string
  body: (world: World) => object
  /** Fields that have to be there. */
  required: readonly string[]
  /** Those of them that are needed only because of what else is in the body. */
  conditional?: readonly string[]
}

const noBody = () => ({})
const nobody = '01890000-0000-7000-8000-000000000000'

/** Every route that changes something, by hand: one that is missing here fails the suite. */
export const routes: Readonly<Record<string, Example>> = {
  'POST /v1/auth/register': {
    path: () => '/v1/auth/register',
    body: () => ({ username: `u${randomUUID().slice(0, 8)}`, email: 'u@example.com', password: 'long enough to take' }),
    required: ['username', 'email', 'password'],
  },
  'POST /v1/auth/login': {
    path: () => '/v1/auth/login',
    body: () => ({ identifier: 'alice', password: 'a wrong password' }),
    required: ['identifier', 'password'],
  },
  'POST /v1/auth/mfa/verify': {
    path: () => '/v1/auth/mfa/verify',
    body: () => ({ mfa_token: 'x', method: 'totp', code: '123456' }),
    required: ['mfa_token', 'method', 'code'],
    conditional: ['code'],
  },
  'POST /v1/auth/refresh': {
    path: () => '/v1/auth/refresh',
    body: () => ({ refresh_token: 'x' }),
    required: ['refresh_token'],
  },
  'POST /v1/auth/logout': { as: 'alice', path: () => '/v1/auth/logout', body: noBody, required: [] },
  'POST /v1/users/me/change-password': {
    as: 'alice',
    path: () => '/v1/users/me/change-password',
    body: ({ people }) => ({ current_password: people.alice.password, new_password: 'another good password' }),
    required: ['current_password', 'new_password'],
  },
  'PATCH /v1/users/me': {
    as: 'alice',
    path: () => '/v1/users/me',
    body: () => ({ full_name: 'Alice', avatar_url: 'https://example.com/a.png', locale: 'th' }),
    required: [],
  },
  'PATCH /v1/users/{user_id}': {
    as: 'alice',
    path: ({ people }) => `/v1/users/${people.alice.userId}`,
    body: () => ({ full_name: 'Alice', avatar_url: 'https://example.com/a.png', locale: 'th' }),
    required: [],
  },
  'PUT /v1/admin/users/{user_id}/roles': {
    as: 'operator',
    path: ({ people }) => `/v1/admin/users/${people.bob.userId}/roles`,
    body: () => ({ roles: ['user', 'support'] }),
    required: ['roles'],
  },
  'POST /v1/admin/users/{user_id}/disable': {
    as: 'operator',
    path: ({ people }) => `/v1/admin/users/${people.bob.userId}/disable`,
    body: () => ({ reason: 'a reason' }),
    required: [],
  },
  'POST /v1/admin/users/{user_id}/enable': {
    as: 'operator',
    path: ({ people }) => `/v1/admin/users/${people.bob.userId}/enable`,
    body: noBody,
    required: [],
  },
  'POST /v1/admin/users/{user_id}/cancel-all': {
    as: 'operator',
    path: ({ people }) => `/v1/admin/users/${people.bob.userId}/cancel-all`,
    body: noBody,
    required: [],
  },
  'POST /v1/ledger/transactions': {
    as: 'alice',
    path: () => '/v1/ledger/transactions',
    body: ({ accounts, people }) => ({
      account_id: accounts.alice.THB,
      type: 'transfer',
      amount: '1',
      asset: 'THB',
      description: 'lunch',
      metadata: { note: 'x' },
      destination_account_username: people.bob.username,
    }),
    required: ['account_id', 'type', 'amount', 'asset', 'destination_account_username'],
    conditional: ['destination_account_username'],
  },
  'POST /v1/ledger/assets': {
    as: 'operator',
    path: () => '/v1/ledger/assets',
    body: () => ({ symbol: 'NEW', name: 'New', type: 'CRYPTO', decimals: 8, icon_url: '/new.svg', is_active: true }),
    required: ['symbol', 'name', 'type', 'decimals'],
  },
  'PUT /v1/ledger/assets/{symbol}': {
    as: 'operator',
    path: () => '/v1/ledger/assets/ETH',
    body: () => ({ name: 'Another', type: 'CRYPTO', decimals: 18, icon_url: '/eth.svg', is_active: true }),
    required: [],
  },
  'POST /v1/admin/ledger/transactions/{transaction_id}/reverse': {
    as: 'operator',
    path: () => `/v1/admin/ledger/transactions/${nobody}/reverse`,
    body: () => ({ reason: 'a reason' }),
    required: [],
  },
  'POST /v1/orders': {
    as: 'alice',
    path: () => '/v1/orders',
    body: () => ({
      symbol: 'BTC-THB',
      side: 'buy',
      type: 'limit',
      price: '1000',
      quantity: '0.01',
      time_in_force: 'GTC',
      post_only: false,
      client_order_id: randomUUID(),
      self_trade_prevention: 'cancel_newest',
      metadata: { note: 'x' },
    }),
    required: ['symbol', 'side', 'type', 'price', 'quantity'],
    conditional: ['price'],
  },
  'DELETE /v1/orders/{order_id}': {
    as: 'alice',
    path: ({ orders }) => `/v1/orders/${orders.alice}`,
    body: () => ({ client_cancel_id: 'c1', reason: 'a reason' }),
    required: [],
  },
  'POST /v1/admin/markets': {
    as: 'operator',
    path: () => '/v1/admin/markets',
    body: () => ({
      symbol: 'ETH-BTC',
      base_asset: 'ETH',
      quote_asset: 'BTC',
      tick_size: '0.000001',
      lot_size: '0.001',
      min_quantity: '0.001',
      max_quantity: '1000',
      min_notional: '0.0001',
      price_band_bps: 1000,
      status: 'trading',
      maker_fee_bps: 10,
      taker_fee_bps: 20,
      max_open_orders: 200,
    }),
    required: [
      'symbol',
      'base_asset',
      'quote_asset',
      'tick_size',
      'lot_size',
      'min_quantity',
      'max_quantity',
      'min_notional',
    ],
  },
  'PUT /v1/admin/markets/{symbol}': {
    as: 'operator',
    path: () => '/v1/admin/markets/USDT-THB',
    body: () => ({
      base_asset: 'USDT',
      quote_asset: 'THB',
      tick_size: '0.001',
      lot_size: '0.01',
      min_quantity: '0.01',
      max_quantity: '1000000',
      min_notional: '2',
      price_band_bps: 400,
      status: 'trading',
      maker_fee_bps: 11,
      taker_fee_bps: 21,
      max_open_orders: 100,
    }),
    required: [],
  },
  'POST /v1/admin/markets/{symbol}/halt': {
    as: 'operator',
    path: () => '/v1/admin/markets/ETH-THB/halt',
    body: () => ({ reason: 'a reason' }),
    required: [],
  },
  'POST /v1/admin/markets/{symbol}/resume': {
    as: 'operator',
    path: () => '/v1/admin/markets/ETH-THB/resume',
    body: () => ({ reason: 'a reason' }),
    required: [],
  },
  'POST /v1/admin/services/{service}/dead-letters/{dead_letter_id}/replay': {
    as: 'operator',
    path: () => `/v1/admin/services/ledger/dead-letters/${nobody}/replay`,
    body: noBody,
    required: [],
  },
  'DELETE /v1/admin/services/{service}/dead-letters/{dead_letter_id}': {
    as: 'operator',
    path: () => `/v1/admin/services/ledger/dead-letters/${nobody}`,
    body: noBody,
    required: [],
  },
  'POST /v1/webhooks/mailgun': {
    path: () => '/v1/webhooks/mailgun',
    body: () => ({ signature: { timestamp: '1', token: 'x', signature: 'y' }, 'event-data': { event: 'delivered' } }),
    required: [],
  },
}

/** Routes whose body is not read: a DELETE without one. */
export const bodiless: readonly string[] = ['DELETE /v1/admin/services/{service}/dead-letters/{dead_letter_id}']
/** A body that is anybody's JSON: it has no fields of ours. */
export const free: readonly string[] = ['POST /v1/webhooks/mailgun']
