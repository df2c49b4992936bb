import crc32 from 'crc-32'
import type { PriceLevel } from '../types/markets.ts'

/** How many levels of each side a checksum covers. */
const DEPTH = 10

const digits = (decimal: string): string => decimal.replace('.', '').replace(/^0+/, '')

/**
 * CRC-32 of the ten best asks, low to high, then the ten best bids, high to low; of each the price, then the quantity,
 * without the dot and leading zeros: the rule of Kraken's v2 book. Both sides are given best first.
 */
export function bookChecksum(asks: readonly PriceLevel[], bids: readonly PriceLevel[]): number {
  let text = ''
  for (const side of [asks, bids]) {
    for (const { price, quantity } of side.slice(0, DEPTH)) text += digits(price) + digits(quantity)
  }
  return crc32.str(text) >>> 0
}
