import { allItems, type BitkaClient } from '@bitka/client'
import { shortTime, table } from './table.ts'

const FILLS = 5
const LEVELS = 5

/** Somebody's balances and latest fills. */
export async function showPerson(name: string, client: BitkaClient): Promise<string[]> {
  const [accounts, fills] = await Promise.all([
    allItems(client.ledger.accounts, {}),
    client.orders.fills({ per_page: FILLS }),
  ])
  const owned = accounts.filter(({ available, locked }) => Number(available) !== 0 || Number(locked) !== 0)
  const balances = owned.map(({ asset, available, locked }) => [asset, available, 'available', locked, 'locked'])
  const trades = fills.items.map(({ side, quantity, symbol, price, fee, fee_asset, liquidity, timestamp }) => [
    shortTime(timestamp),
    side === 'buy' ? 'bought' : 'sold',
    quantity,
    symbol,
    'at',
    price,
    'fee',
    fee,
    `${fee_asset} (${liquidity})`,
  ])
  return [
    name,
    ...(balances.length > 0 ? table(balances) : ['  no funds']),
    ...(trades.length > 0 ? table(trades) : ['  no fills']),
  ]
}

/** A market's last trade, its candle of the minute and its book. */
export async function showMarket(symbol: string, { marketData }: BitkaClient): Promise<string[]> {
  const [ticks, candles, book] = await Promise.all([
    marketData.ticks({ symbol, limit: 1 }),
    marketData.candles({ symbol, interval: '1m' }),
    marketData.orderBook(symbol, { depth: LEVELS }),
  ])
  const [tick] = ticks.items
  const candle = candles.items.at(-1)
  const lines = [symbol]
  if (tick) {
    const { side, quantity, price, timestamp } = tick
    lines.push(`  last trade  ${shortTime(timestamp)}  ${side} ${quantity} at ${price}`)
  } else lines.push('  no trades')
  if (candle) {
    const { open, high, low, close, volume, start_time } = candle
    const prices = `open ${open}  high ${high}  low ${low}  close ${close}  volume ${volume}`
    lines.push(`  candle 1m   ${shortTime(start_time)}  ${prices}`)
  }
  const levels = [
    ...[...book.asks].reverse().map(({ price, quantity }) => ['ask', price, quantity]),
    ...book.bids.map(({ price, quantity }) => ['bid', price, quantity]),
  ]
  lines.push(...(levels.length > 0 ? table(levels) : ['  the book is empty']))
  return lines
}
