import { PlainError } from '../people/people.ts'

export type Credit = { name: string; amount: string; asset: string }

/** What a command line asks for. */
export type Command =
  | { does: 'help' }
  | { does: 'register'; names: string[] }
  | { does: 'credit'; credits: Credit[] }
  | { does: 'order'; name: string; side: 'buy' | 'sell'; quantity: string; symbol: string; price?: string }
  | { does: 'show'; names: string[]; symbols: string[] }

export const usage = `Usage:
  ./bitka register NAME ...                            registers people, or signs them in again
  ./bitka credit NAME=AMOUNT:ASSET ...                 gives them funds, as the operator
  ./bitka order NAME buy|sell QUANTITY MARKET at PRICE places a limit order
  ./bitka order NAME buy|sell QUANTITY MARKET market   places a market order
  ./bitka show NAME|MARKET ...                         balances and fills of people; trades, candle and book of markets
  ./bitka help                                         this text

Environment: BITKA_URL (default http://127.0.0.1:8080), BITKA_DATA_DIR (default .bitka; sessions are in its cli/),
BITKA_OPERATOR_EMAIL (default operator@bitka.local), BITKA_OPERATOR_PASSWORD (asked for when not set).`

const NAME = /^[A-Za-z0-9._-]{3,30}$/
const SYMBOL = /^[A-Za-z0-9]{2,10}-[A-Za-z0-9]{2,10}$/
const DECIMAL = /^\d+(?:\.\d+)?$/
const CREDIT = /^([^=]+)=([^:]+):([A-Za-z0-9]{2,10})$/

/** @throws PlainError saying what is wrong */
export function parseCommand(words: readonly string[]): Command {
  const [verb, ...rest] = words
  switch (verb) {
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      return { does: 'help' }
    case 'register':
      return { does: 'register', names: some(rest, 'a name').map(nameOf) }
    case 'credit':
      return { does: 'credit', credits: some(rest, 'something like alice=1000:THB').map(creditOf) }
    case 'order':
      return orderOf(rest)
    case 'show':
      return showOf(some(rest, 'a name or a market'))
    default:
      throw new PlainError(`There is no command ${verb}: see ./bitka help.`)
  }
}

function some(words: readonly string[], what: string): readonly string[] {
  if (words.length === 0) throw new PlainError(`The command needs ${what}: see ./bitka help.`)
  return words
}

function nameOf(word: string): string {
  if (!NAME.test(word))
    throw new PlainError(`${word} is not a name: 3 to 30 letters, digits, dots, dashes, underscores.`)
  return word
}

function decimalOf(word: string, what: string): string {
  if (!DECIMAL.test(word)) throw new PlainError(`${word} is not ${what} such as 0.01.`)
  return word
}

function creditOf(word: string): Credit {
  const [, name, amount, asset] = CREDIT.exec(word) ?? []
  if (name === undefined || amount === undefined || asset === undefined) {
    throw new PlainError(`${word} is not a credit such as alice=1000:THB.`)
  }
  return { name: nameOf(name), amount: decimalOf(amount, 'an amount'), asset: asset.toUpperCase() }
}

function orderOf(words: readonly string[]): Command {
  const [name = '', side, quantity = '', symbol = '', kind, price, ...more] = words
  const limit = kind === 'at' && price !== undefined
  const market = kind === 'market' && price === undefined
  if ((side !== 'buy' && side !== 'sell') || !SYMBOL.test(symbol) || !(limit || market) || more.length > 0) {
    throw new PlainError(
      'An order reads: ./bitka order alice buy 0.01 BTC-THB at 1000000 (or market in place of at PRICE).',
    )
  }
  return {
    does: 'order',
    name: nameOf(name),
    side,
    quantity: decimalOf(quantity, 'a quantity'),
    symbol: symbol.toUpperCase(),
    ...(limit && { price: decimalOf(price, 'a price') }),
  }
}

/** BTC-THB in capitals is a market; everything else is somebody. */
function showOf(words: readonly string[]): Command {
  const isMarket = (word: string): boolean => SYMBOL.test(word) && word === word.toUpperCase()
  return {
    does: 'show',
    names: words.filter((word) => !isMarket(word)).map(nameOf),
    symbols: words.filter(isMarket),
  }
}
