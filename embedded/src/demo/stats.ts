import type { BitkaApiError } from '@bitka/client'

export type Spread = { symbol: string; bid: string | undefined; ask: string | undefined }

/** What happened since the last status line. */
export class DemoStats {
  private orders = 0
  private trades = 0
  private readonly troubles = new Map<string, number>()

  constructor(private sinceMs: number) {}

  ordered(): void {
    this.orders += 1
  }

  traded(count: number): void {
    this.trades += count
  }

  trouble({ code }: BitkaApiError): void {
    this.troubles.set(code, (this.troubles.get(code) ?? 0) + 1)
  }

  /** One line for the terminal, and the counts begin anew. */
  line(spreads: readonly Spread[], nowMs: number): string {
    const seconds = Math.max(0.001, (nowMs - this.sinceMs) / 1000)
    const rate = (count: number): string => (count / seconds).toFixed(1)
    const parts = [
      new Date(nowMs).toISOString().slice(11, 19),
      `${rate(this.orders)} orders/s`,
      `${rate(this.trades)} trades/s`,
      ...spreads.map(({ symbol, bid, ask }) => `${symbol} ${bid ?? '-'}/${ask ?? '-'}${spreadOf(bid, ask)}`),
      ...[...this.troubles].map(([code, count]) => `${code} x${count}`),
    ]
    this.orders = 0
    this.trades = 0
    this.troubles.clear()
    this.sinceMs = nowMs
    return parts.join('  ')
  }
}

/** The spread in percent of the bid; only shown, so a float will do. */
function spreadOf(bid: string | undefined, ask: string | undefined): string {
  if (bid === undefined || ask === undefined) return ''
  return ` (${((100 * (Number(ask) - Number(bid))) / Number(bid)).toFixed(2)} %)`
}
