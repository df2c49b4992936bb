import { DomainError } from '@bitka/kernel'
import { publicMethods } from '../src/methods.ts'
import { publicServices } from '../src/public-services.ts'
import { decodeRequest } from '../src/rest/request.ts'
import { Router } from '../src/rest/router.ts'

const router = new Router(publicMethods(publicServices))

const show = (verb: string, path: string): string => {
  const match = router.match(verb, path)
  if (match.found === 'nothing') return '404'
  if (match.found === 'path') return `405 ${match.allow.join(' ')}`
  const params = [...match.params].map(([name, value]) => `${name}=${value}`)
  return [match.route.method.desc.name, ...params].join(' ')
}

test.each([
  ['GET', '/v1/users/me', 'GetMe'],
  ['GET', '/v1/users/0190', 'GetUser user_id=0190'],
  ['PATCH', '/v1/users/me', 'UpdateMe'],
  ['POST', '/v1/users/me', '405 GET HEAD OPTIONS PATCH'],
  ['GET', '/v1/users/me/change-password', '405 OPTIONS POST'],
  ['HEAD', '/v1/orders/1', 'GetOrder order_id=1'],
  ['GET', '/v1/marketdata/orderbook/BTC-THB/history', 'GetOrderBookHistory symbol=BTC-THB'],
  ['GET', '/v1/.well-known/jwks.json', 'GetJwks'],
  ['GET', '/.well-known/jwks.json', 'GetJwks'],
  ['POST', '/v1/admin/services/order/dead-letters/7/replay', 'ReplayDeadLetter service=order dead_letter_id=7'],
  ['OPTIONS', '/v1/orders', '405 GET HEAD OPTIONS POST'],
  ['GET', '/v1/orders/', '404'], // an empty id names nothing
  ['GET', '/v1/orders/%zz', '404'],
  ['GET', '/v1/orders/a%00b', '404'],
  ['GET', '/v1/orders/a%2Fb', 'GetOrder order_id=a/b'],
  ['GET', '/v2/orders', '404'],
  ['GET', '/', '404'],
])('%s %s is %s', (verb, path, expected) => {
  expect(show(verb, path)).toBe(expected)
})

const detailsOf = (verb: string, path: string, query: string, body = ''): object => {
  const match = router.match(verb, path)
  if (match.found !== 'route') throw new Error('no such route')
  try {
    const { $typeName, ...fields } = decodeRequest(match.route, match.params, query, Buffer.from(body))
    return fields
  } catch (error) {
    if (error instanceof DomainError) return { [error.kind]: error.details }
    throw error
  }
}

test.each([
  [
    'GET',
    '/v1/orders',
    'page=2&per_page=10&status=open&symbol=BTC-THB',
    '',
    { page: 2, perPage: 10, status: 2, symbol: 'BTC-THB' },
  ],
  ['GET', '/v1/orders', 'pag=2', '', { invalid: { pag: 'unknown parameter' } }],
  ['GET', '/v1/orders', 'page=1&page=2', '', { invalid: { page: 'is given more than once' } }],
  ['GET', '/v1/orders', '__proto__=1', '', { invalid: JSON.parse('{"__proto__":"unknown parameter"}') }],
  ['GET', '/v1/orders', 'symbol=%ff', '', { invalid: { symbol: 'is not plain text' } }],
  ['GET', '/v1/orders', 'symbol=%zz', '', { invalid: { symbol: 'is not plain text' } }],
  ['GET', '/v1/orders', 'symbol=a%3D%2B+%26&&page=1', '', { symbol: 'a=+ &', page: 1 }],
  ['GET', '/v1/orders', 'page=1.0', '', { invalid: { page: 'must be a whole number' } }],
  ['GET', '/v1/orders', 'page=99999999999', '', { invalid: { page: 'must be a whole number' } }],
  ['GET', '/v1/ledger/assets', 'active_only=true', '', { activeOnly: true }],
  ['GET', '/v1/ledger/assets', 'active_only=1', '', { invalid: { active_only: 'must be true or false' } }],
  ['GET', '/v1/orders/7', 'order_id=8', '', { invalid: { order_id: 'unknown parameter' } }], // the path has it
  ['GET', '/v1/fills', 'from=2026-01-01T07:00:00+07:00', '', { from: { seconds: 1767225600n, nanos: 0 } }], // unescaped plus
  ['POST', '/v1/orders', 'page=1', '{}', { invalid: { page: 'unknown parameter' } }],
  [
    'POST',
    '/v1/orders',
    '',
    '{"symbol":5,"side":"up"}',
    {
      // What is missing is named beside what is wrong; alone it is left to the service.
      invalid: {
        symbol: 'must be a string',
        side: 'must be one of buy, sell',
        type: 'is required',
        quantity: 'is required',
      },
    },
  ],
  ['POST', '/v1/orders', '', '{"symbol":"BTC-THB"}', { symbol: 'BTC-THB' }],
  ['DELETE', '/v1/orders/7', '', '', { orderId: '7' }], // the body is optional
  ['DELETE', '/v1/orders/7', '', '{"reason":"x"}', { orderId: '7', reason: 'x' }],
  ['PUT', '/v1/ledger/assets/BTC', '', '{"symbol":"BTC","name":"Bitcoin"}', { symbol: 'BTC', name: 'Bitcoin' }],
  ['PUT', '/v1/ledger/assets/BTC', '', '{"symbol":"ETH"}', { invalid: { symbol: 'differs from the path' } }],
  ['POST', '/v1/webhooks/mailgun', '', '{"signature":{"a":1}}', { payload: { signature: { a: 1 } } }],
])('%s %s ?%s %s', (verb, path, query, body, expected) => {
  expect(detailsOf(verb, path, query, body)).toMatchObject(expected)
})

it('knows from the contract which methods are anonymous', () => {
  const anonymous = publicMethods(publicServices)
    .filter(({ anonymous, bindings }) => anonymous && bindings.length > 0)
    .map(({ desc }) => desc.name)
  expect(anonymous.sort()).toEqual([
    'GetAsset',
    'GetJwks',
    'GetOrderBook',
    'GetOrderBookHistory',
    'GetTime',
    'ListAssets',
    'ListCandles',
    'ListSymbols',
    'ListTicks',
    'Login',
    'ReceiveMailgunWebhook',
    'Refresh',
    'Register',
    'VerifyMfa',
  ])
})
