import { createHash } from 'node:crypto'
import { isUuid } from '@bitka/kernel'
import { MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import { fromBinary, toJson } from '@bufbuild/protobuf'
import type { Outcome, TradeParty } from '../domain/result.ts'
import { encodeResults } from './encode-results.ts'

const party = (orderId: string, remainingLots: number): TradeParty => ({
  orderId,
  userId: `user-of-${orderId}`,
  quote: 303n,
  fee: 1n,
  feeAsset: 'base',
  holdAfter: 101n * BigInt(remainingLots),
  filledLots: 3,
  remainingLots,
})

const base = { seq: 7, timeMs: 1_000 }
const outcome: Outcome = {
  status: 'applied',
  ...base,
  results: [
    {
      kind: 'accepted',
      number: 11,
      ...base,
      orderId: 'in',
      userId: 'bob',
      side: 'buy',
      priceTicks: 101,
      quantityLots: 3,
      holdAfter: 303n,
    },
    {
      kind: 'trade',
      number: 12,
      ...base,
      tradeNumber: 4,
      ticks: 101,
      lots: 3,
      takerSide: 'buy',
      base: 3n,
      rounding: 0n,
      maker: party('rests', 2),
      taker: party('in', 0),
    },
    { kind: 'book', number: 13, ...base, bookSeq: 9, bids: [], asks: [{ ticks: 101, lots: 2 }] },
  ],
  bestBid: null,
  bestAsk: 101,
  lastTrade: 101,
}

describe('results in the log', () => {
  const { key, headers, value } = encodeResults('BTC-THB', outcome)

  it('say everything that others need, and copy', () => {
    expect(toJson(MatchResultsSchema, fromBinary(MatchResultsSchema, value))).toEqual({
      symbol: 'BTC-THB',
      commandSeq: '7',
      timeMs: '1000',
      bestAskTicks: '101',
      lastPriceTicks: '101',
      results: [
        { number: '11', orderAccepted: { orderId: 'in', userId: 'bob' } },
        {
          number: '12',
          trade: {
            tradeNumber: '4',
            priceTicks: '101',
            quantityLots: '3',
            baseAmount: '3',
            takerSide: 'ORDER_SIDE_BUY',
            maker: {
              orderId: 'rests',
              userId: 'user-of-rests',
              quoteAmount: '303',
              fee: '1',
              holdAfter: '202',
              filledLots: '3',
              remainingLots: '2',
            },
            taker: {
              orderId: 'in',
              userId: 'user-of-in',
              quoteAmount: '303',
              fee: '1',
              holdAfter: '0',
              filledLots: '3',
            },
          },
        },
        {
          number: '13',
          bookChanged: {
            seq: '9',
            changes: [{ side: 'ORDER_SIDE_SELL', priceTicks: '101', quantityLots: '2' }],
          },
        },
      ],
    })
  })

  it('are the same bytes on every machine and in every release, since a replay compares them', () => {
    expect(key).toBe('BTC-THB')
    expect(isUuid(headers['event-id'] ?? '')).toBe(true)
    expect(headers).toEqual({
      'event-id': '19db595b-5d89-899a-a609-cb95b47ce79b',
      type: 'bitka.events.v1.MatchResults',
      producer: 'matching',
      symbol: 'BTC-THB',
      command_seq: '7',
    })
    expect(createHash('sha256').update(value).digest('hex')).toBe(
      'b2a6333a2d3bf35d034685b8786a1ca2459308b9b21d256c2f6877cfc9dc9a39',
    )
  })

  it('have an id for each command of each market', () => {
    const idOf = (symbol: string, seq: number) => encodeResults(symbol, { ...outcome, seq }).headers['event-id']
    expect(idOf('BTC-THB', 7)).toBe(headers['event-id'])
    expect(new Set([idOf('BTC-THB', 7), idOf('BTC-THB', 8), idOf('ETH-THB', 7)]).size).toBe(3)
  })
})
