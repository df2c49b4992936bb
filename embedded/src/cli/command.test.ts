import { parseCommand } from './command.ts'

const parse = (line: string) => parseCommand(line.split(' ').filter(Boolean))

test.each([
  ['', { does: 'help' }],
  ['help', { does: 'help' }],
  ['register alice bob', { does: 'register', names: ['alice', 'bob'] }],
  [
    'credit alice=100000:THB bob=1.5:btc',
    {
      does: 'credit',
      credits: [
        { name: 'alice', amount: '100000', asset: 'THB' },
        { name: 'bob', amount: '1.5', asset: 'BTC' },
      ],
    },
  ],
  [
    'order alice buy 0.01 BTC-THB at 1000000',
    { does: 'order', name: 'alice', side: 'buy', quantity: '0.01', symbol: 'BTC-THB', price: '1000000' },
  ],
  [
    'order bob sell 0.01 btc-thb market',
    { does: 'order', name: 'bob', side: 'sell', quantity: '0.01', symbol: 'BTC-THB' },
  ],
  ['show alice bob BTC-THB', { does: 'show', names: ['alice', 'bob'], symbols: ['BTC-THB'] }],
  ['show market-maker', { does: 'show', names: ['market-maker'], symbols: [] }],
])('%s', (line, command) => {
  expect(parse(line)).toEqual(command)
})

test.each([
  ['dance', 'There is no command dance'],
  ['register', 'needs a name'],
  ['register al', 'al is not a name'],
  ['register ../alice', 'is not a name'],
  ['credit alice', 'alice is not a credit'],
  ['credit alice=-1:THB', '-1 is not an amount'],
  ['order alice buy 0.01 BTC-THB', 'An order reads'],
  ['order alice keep 0.01 BTC-THB market', 'An order reads'],
  ['order alice buy 0.01 BTC-THB at 1 2', 'An order reads'],
  ['order alice buy much BTC-THB market', 'much is not a quantity'],
  ['show', 'needs a name or a market'],
])('%s is refused', (line, reason) => {
  expect(() => parse(line)).toThrow(reason)
})
