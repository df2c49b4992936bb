import type { Order, OrderPlaced } from '@bitka/client'
import { creditUser } from '../people/funds.ts'
import type { People } from '../people/people.ts'
import { type Command, type Credit, usage } from './command.ts'
import { showMarket, showPerson } from './show.ts'
import { table } from './table.ts'

/** How long an order waits for the engine, in seconds. */
const WAIT_S = 5

/** Does what a command asks for and answers the lines to print. */
export async function run(command: Command, people: People): Promise<string[]> {
  switch (command.does) {
    case 'help':
      return [usage]
    case 'register':
      return await register(command.names, people)
    case 'credit':
      return await credit(command.credits, people)
    case 'order':
      return await order(command, people)
    case 'show':
      return await show(command.names, command.symbols, people)
  }
}

async function register(names: readonly string[], people: People): Promise<string[]> {
  const rows: string[][] = []
  for (const name of names) {
    const outcome = await people.register(name)
    rows.push([name, outcome === 'registered' ? 'registered and signed in' : 'signed in (registered before)'])
  }
  return table(rows, '')
}

async function credit(credits: readonly Credit[], people: People): Promise<string[]> {
  const operator = await people.operator()
  const rows: string[][] = []
  for (const { name, amount, asset } of credits) {
    const userId = await people.userIdOf(name, operator)
    const { available } = await creditUser(operator, { userId, amount, asset })
    rows.push([name, `+${amount}`, asset, 'has', available, 'available'])
  }
  return table(rows, '')
}

async function order(command: Command & { does: 'order' }, people: People): Promise<string[]> {
  const { name, side, quantity, symbol, price } = command
  const placed = await people
    .client(name)
    .orders.create(
      { symbol, side, quantity, ...(price === undefined ? { type: 'market' } : { type: 'limit', price }) },
      { waitSeconds: WAIT_S },
    )
  const what = `${name} ${side}s ${quantity} ${symbol} ${price === undefined ? 'at market' : `at ${price}`}`
  return [`${what}: ${outcomeOf(placed)}`, ...fillsOf(placed.order)]
}

function outcomeOf({ order_id, status, order }: OrderPlaced): string {
  const reason = order?.cancel_reason ?? order?.reject_reason
  return `${order?.status ?? status}${reason === undefined ? '' : ` (${reason})`}  [order ${order_id}]`
}

const fillsOf = (order: Order | undefined): string[] =>
  table(
    (order?.fills ?? []).map(({ quantity, price, fee, fee_asset, liquidity }) => [
      quantity,
      'at',
      price,
      'fee',
      fee,
      `${fee_asset} (${liquidity})`,
    ]),
  )

async function show(names: readonly string[], symbols: readonly string[], people: People): Promise<string[]> {
  const parts = [
    ...names.map((name) => showPerson(name, people.client(name))),
    ...symbols.map((symbol) => showMarket(symbol, people.anonymous())),
  ]
  return (await Promise.all(parts)).flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
}
