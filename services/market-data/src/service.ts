import { purgeOutbox } from '@bitka/events'
import { Loop } from '@bitka/kernel'
import { implement } from '@bitka/mesh'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { defineService } from '@bitka/service'
import { openHints } from '@bitka/store'
import { schema } from './config.ts'
import { recordResults } from './events/record-results.ts'
import { LiveMarkets } from './live/live-markets.ts'
import { Tickers } from './live/tickers.ts'
import { policy } from './policy.ts'
import { marketDataRpcs } from './rpc/index.ts'

const REFRESH_MS = 500
const CLOSE_CANDLES_MS = 200
const TICKER_MS = 1_000
const PURGE_MS = 3_600_000
/** Price ticks that were sent longer ago are in the log, and in the table of ticks. */
const SENT_KEPT_MS = 24 * 3_600_000
const PURGE_ROWS = 5_000

/** What the public may know of the markets: symbols, candles, trades, books, and their streams. */
export const startMarketData = defineService({
  name: 'market-data',
  schema,
  build: async ({ db, clock, log, config }) => {
    const markets = new LiveMarkets({ db, clock, log, capacity: config.BITKA_MARKET_DATA_STREAM_QUEUE })
    const tickers = new Tickers(db, clock, markets)
    await markets.refresh()
    const refresher = new Loop({ name: 'market-data.refresh', intervalMs: REFRESH_MS, log }, () => markets.refresh())
    const ticking = new Loop({ name: 'market-data.tickers', intervalMs: TICKER_MS, log }, (signal) =>
      tickers.run(signal),
    )
    const closing = new Loop({ name: 'market-data.close-candles', intervalMs: CLOSE_CANDLES_MS, log }, async () =>
      markets.closeDueCandles(),
    )
    const purging = new Loop({ name: 'market-data.purge-outbox', intervalMs: PURGE_MS, log }, async () => {
      const sentBefore = new Date(clock.nowMs() - SENT_KEPT_MS)
      return (await purgeOutbox(db, { sentBefore, maxRows: PURGE_ROWS })) === PURGE_ROWS
    })
    const hints = openHints({ db, log, onHints: () => refresher.wake() })
    markets.onBehind = () => refresher.wake()
    markets.onCommitted = (symbols) => hints.send(symbols)
    markets.onChange = () => ticking.wake()
    return {
      rpcs: [implement(MarketDataService, marketDataRpcs({ db, clock, markets, tickers }), policy)],
      consumers: [
        {
          group: 'market-data.results',
          topics: ['trading.matches.executed'],
          ordered: true,
          handle: recordResults(markets),
        },
      ],
      loops: [refresher, ticking, closing, purging, hints],
    }
  },
})
