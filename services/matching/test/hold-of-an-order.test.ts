import fc from 'fast-check'
import type { MarketDefinition, NewOrder } from '../src/domain/command.ts'
import { MarketEngine } from '../src/domain/engine.ts'
import type { TradeParty } from '../src/domain/result.ts'
import { plainMarket } from './text.ts'

const digits = (units: number, decimals: number) =>
  `0.${String(units).padStart(decimals, '0')}`.replace(/^0\.$/, String(units))

/** A market with any decimals; its lot is a whole number of minor units by construction. */
const market: fc.Arbitrary<MarketDefinition> = fc
  .record({
    tick: fc.integer({ min: 1, max: 99 }),
    tickDecimals: fc.integer({ min: 2, max: 9 }),
    lot: fc.integer({ min: 1, max: 99 }),
    lotDecimals: fc.integer({ min: 2, max: 9 }),
    quoteDecimals: fc.integer({ min: 0, max: 8 }),
  })
  .map(({ tick, tickDecimals, lot, lotDecimals, quoteDecimals }) => ({
    ...plainMarket,
    baseDecimals: lotDecimals,
    quoteDecimals,
    tickSize: digits(tick, tickDecimals),
    lotSize: digits(lot, lotDecimals),
  }))

const order = (fields: Partial<NewOrder>): NewOrder => ({
  seq: 0,
  timeMs: 1,
  kind: 'new_order',
  orderId: 'buyer',
  userId: 'alice',
  side: 'buy',
  type: 'limit',
  timeInForce: 'GTC',
  priceTicks: 1,
  quantityLots: 1,
  postOnly: false,
  stp: 'cancel_newest',
  makerFeeBps: 0,
  takerFeeBps: 0,
  maxQuote: 0n,
  validUntilMs: 0,
  ...fields,
})

/** quantity × limit price, rounded up: written out, as the order service must. */
function holdOf({ tickSize, lotSize, quoteDecimals }: MarketDefinition, ticks: number, lots: number): bigint {
  const decimals = (text: string) => text.split('.')[1]?.length ?? 0
  const whole = (text: string) => BigInt(text.replace('.', ''))
  const top = whole(tickSize) * whole(lotSize) * BigInt(ticks) * BigInt(lots) * 10n ** BigInt(quoteDecimals)
  const bottom = 10n ** BigInt(decimals(tickSize) + decimals(lotSize))
  return top / bottom + (top % bottom === 0n ? 0n : 1n)
}

it('an order never uses more than its hold, into however many fills and prices it is split', () => {
  const fillsOf = fc.array(fc.tuple(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 0, max: 100 })), {
    minLength: 1,
    maxLength: 12,
  })
  const property = fc.property(
    market,
    fc.integer({ min: 101, max: 2 ** 40 }),
    fillsOf,
    fc.nat(12),
    (definition, limit, fills, before) => {
      const engine = new MarketEngine()
      let seq = 0
      const send = (command: NewOrder) => {
        seq += 1
        return engine.apply({ ...command, seq })
      }
      seq += 1
      engine.apply({ kind: 'define_market', seq, timeMs: 1, market: definition })
      const quantityLots = fills.reduce((sum, [lots]) => sum + lots, 0)
      const maxQuote = holdOf(definition, limit, quantityLots)
      const buy = order({ priceTicks: limit, quantityLots, maxQuote, takerFeeBps: 31, makerFeeBps: 17 })
      const sell = ([lots, better]: [number, number], index: number) =>
        order({
          side: 'sell',
          orderId: `s${index}`,
          userId: 'bob',
          priceTicks: limit - better,
          quantityLots: lots,
          takerFeeBps: 9,
        })
      // Some sellers wait for the buyer, the others come to it.
      const waiting = fills.slice(0, before)
      const results = [
        ...waiting.flatMap((fill, index) => send(sell(fill, index)).results),
        ...send(buy).results,
        ...fills.slice(before).flatMap((fill, index) => send(sell(fill, before + index)).results),
      ]
      let paid = 0n
      let received = 0n
      let fees = 0n
      let rounding = 0n
      let last: TradeParty | undefined
      for (const result of results) {
        if (result.kind !== 'trade') continue
        const [buyer, seller] = result.takerSide === 'buy' ? [result.taker, result.maker] : [result.maker, result.taker]
        paid += buyer.quote
        received += seller.quote
        fees += buyer.fee
        rounding += result.rounding
        expect(paid + buyer.holdAfter <= maxQuote).toBe(true)
        expect(rounding >= 0n).toBe(true)
        last = buyer
      }
      expect(last).toMatchObject({ remainingLots: 0, holdAfter: 0n, filledLots: quantityLots })
      expect(paid - received).toBe(rounding)
      expect(paid <= maxQuote && fees >= 0n).toBe(true)
    },
  )
  fc.assert(property, { numRuns: 1_000 })
})
