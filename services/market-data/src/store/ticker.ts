import type { Queryable } from '@bitka/store'
import type { Bar } from '../domain/candle.ts'
import { oneHour, oneMinute } from '../domain/interval.ts'
import type { Window } from '../domain/ticker.ts'

type BarRow = {
  open_ticks: bigint
  high_ticks: bigint
  low_ticks: bigint
  close_ticks: bigint
  volume_lots: string
  trades: bigint
}

const toBar = (row: BarRow): Bar => ({
  open: Number(row.open_ticks),
  high: Number(row.high_ticks),
  low: Number(row.low_ticks),
  close: Number(row.close_ticks),
  volume: BigInt(row.volume_lots),
  trades: row.trades,
})

/** The price of the last trade at or before the window's begin, and what traded in the window, in order. */
export async function readWindow(
  db: Queryable,
  symbol: string,
  { afterMs, minutesFromMs, hoursFromMs }: Window,
): Promise<{ before: number | undefined; bars: Bar[] }> {
  const [after, minutesFrom, hoursFrom] = [afterMs, minutesFromMs, hoursFromMs].map((ms) => new Date(ms))
  const before = await db.query<{ price_ticks: bigint }>(
    `select price_ticks from ticks where symbol = $1 and time <= $2 order by time desc, trade_number desc limit 1`,
    [symbol, after],
  )
  const bars = await db.query<BarRow>(
    `select open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, trades from (
       select 1 as part, $2::timestamptz as start_time, first.price_ticks as open_ticks, span.high_ticks, span.low_ticks,
         last.price_ticks as close_ticks, span.volume_lots, span.trades
       from
         (select min(trade_number) as first, max(trade_number) as last, max(price_ticks) as high_ticks,
            min(price_ticks) as low_ticks, sum(quantity_lots) as volume_lots, count(*) as trades
          from ticks where symbol = $1 and time > $2 and time < $3) span
         join ticks first on first.symbol = $1 and first.trade_number = span.first
         join ticks last on last.symbol = $1 and last.trade_number = span.last
       union all
       select 2, start_time, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, trades
       from candles where symbol = $1 and interval_code = $5 and start_time >= $3 and start_time < $4
       union all
       select 3, start_time, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, trades
       from candles where symbol = $1 and interval_code = $6 and start_time >= $4
     ) parts order by part, start_time`,
    [symbol, after, minutesFrom, hoursFrom, oneMinute.code, oneHour.code],
  )
  const price = before.rows[0]?.price_ticks
  return { before: price === undefined ? undefined : Number(price), bars: bars.rows.map(toBar) }
}
