import { newId, silentLogger } from '@bitka/kernel'
import { MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import { MatchingOperatorService, MatchingService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import type { RunningService } from '@bitka/service'
import { type FakeAuth, fakeAuth, freePort, storePermissionSuite, waitFor } from '@bitka/testkit'
import { fromBinary } from '@bufbuild/protobuf'
import { startMatching } from '../src/service.ts'
import { Trader } from './command-records.ts'
import { type Exchange, startExchange } from './exchange.ts'

let exchange: Exchange
let auth: FakeAuth
let matching: RunningService

const start = async () => {
  matching = await startMatching(exchange.platform.env('matching'), { log: silentLogger })
  await waitFor(async () => (await matching.health()).ready)
}

beforeAll(async () => {
  exchange = await startExchange()
  auth = await fakeAuth(exchange.platform)
  await start()
})

afterAll(async () => {
  await matching?.stop()
  await auth?.stop()
  await exchange?.stop()
})

const client = (caller: 'market-data' | 'order' | 'ledger' = 'market-data') =>
  exchange.platform.client(MatchingService, caller, { service: 'matching', port: matching.port })

const status = async (symbol: string) => {
  const { markets } = await (await client()).getStatus({})
  return markets.find((market) => market.symbol === symbol)
}

it('a second process stands by: it is ready, and takes over what the first gives up', async () => {
  const standby = await startMatching(
    { ...exchange.platform.env('matching'), BITKA_RPC_PORT: String(await freePort()) },
    { log: silentLogger },
  )
  const shares = async (service: RunningService) =>
    (await service.health()).dependencies
      .filter(({ name }) => name.startsWith('matching partition'))
      .map(({ ok, detail }) => (ok && detail === 'with another process' ? 'another’s' : ok ? 'own' : detail))
  try {
    await waitFor(async () => (await standby.health()).ready)
    expect(new Set(await shares(standby))).toEqual(new Set(['another’s']))
    await matching.stop()
    await waitFor(async () => (await shares(standby)).every((share) => share === 'own'))
    expect((await standby.health()).ready).toBe(true)
  } finally {
    await standby.stop()
    await start()
  }
})

describe('matching', () => {
  const trader = new Trader('BTC-THB', 2).order('bid 99 x 4 by bob').order('ask 101 x 3 by bob').orders(40)

  it('numbers results and book changes without gaps, and shows the book that they make', async () => {
    await exchange.send(trader)
    await exchange.settled(trader)
    const messages = (await exchange.results(2)).map(({ value }) => fromBinary(MatchResultsSchema, value))
    const results = messages.flatMap((message) => message.results)
    expect(results.map(({ number }) => number)).toEqual(results.map((_, index) => BigInt(index + 1)))
    const levels = new Map<string, bigint>()
    let seq = 0n
    for (const { body } of results) {
      if (body.case !== 'bookChanged') continue
      seq += 1n
      expect(body.value.seq).toBe(seq)
      for (const { side, priceTicks, quantityLots } of body.value.changes) {
        const key = `${side} ${priceTicks}`
        if (quantityLots === 0n) levels.delete(key)
        else levels.set(key, quantityLots)
      }
    }
    const book = await (await client()).getBook({ symbol: 'BTC-THB' })
    expect(book).toMatchObject({
      seq,
      resultNumber: BigInt(results.length),
      market: { symbol: 'BTC-THB', partition: 2 },
    })
    const shown = [
      ...book.bids.map((level) => ({ ...level, side: 1 })),
      ...book.asks.map((level) => ({ ...level, side: 2 })),
    ]
    expect(new Map(shown.map((level) => [`${level.side} ${level.priceTicks}`, level.quantityLots]))).toEqual(levels)
    const prices = book.bids.map(({ priceTicks }) => priceTicks)
    expect(prices).toEqual([...prices].sort((a, b) => Number(b - a)))
    const { bids } = await (await client()).getBook({ symbol: 'BTC-THB', depth: 1 })
    expect(bids).toEqual(book.bids.slice(0, 1))
  })

  it('says how far each market has come, to services and to operators', async () => {
    const engine = trader.engine()
    const expected = {
      symbol: 'BTC-THB',
      partition: 2,
      running: true,
      stoppedReason: '',
      commandSeq: BigInt(engine.lastSeq),
      resultNumber: BigInt(engine.lastResultNumber),
      bookSeq: BigInt(engine.bookSeq),
      openOrders: engine.openOrderCount,
      stateHash: engine.stateHash(),
    }
    expect(await status('BTC-THB')).toMatchObject(expected)
    const hash = await (await client('order')).getStateHash({ symbol: 'BTC-THB' })
    expect(hash).toMatchObject({ commandSeq: expected.commandSeq, stateHash: expected.stateHash })
    const operators = await exchange.platform.client(MatchingOperatorService, 'gateway', {
      service: 'matching',
      port: matching.port,
    })
    for (const role of ['operator', 'admin', 'auditor'] as const) {
      const token = await auth.token(newId(), { roles: ['user', role] })
      expect((await operators.getMarketEngine({ symbol: 'BTC-THB' }, { token })).engine).toMatchObject(expected)
    }
    const token = await auth.token(newId())
    await expect(operators.getMarketEngine({ symbol: 'BTC-THB' }, { token })).rejects.toMatchObject({
      kind: 'forbidden',
    })
  })

  it('knows no other market, no negative depth and no other caller', async () => {
    const reader = await client()
    await expect(reader.getBook({ symbol: 'ETH-THB' })).rejects.toMatchObject({ kind: 'not_found' })
    await expect(reader.getStateHash({ symbol: '' })).rejects.toMatchObject({ kind: 'not_found' })
    await expect(reader.getBook({ symbol: 'BTC-THB', depth: -1 })).rejects.toMatchObject({ kind: 'invalid' })
    await expect((await client('ledger')).getStatus({})).rejects.toMatchObject({ kind: 'forbidden' })
  })

  it('appends the results without waiting for a poll or a full batch', async () => {
    const tookMs = async (): Promise<number> => {
      const before = performance.now()
      await exchange.send(trader.order('bid 90 x 1 by carol'))
      await exchange.settled(trader)
      return performance.now() - before
    }
    // Once will do, since others use this machine as well. Whatever waits on purpose waits every time, and for longer.
    await waitFor(async () => (await tookMs()) < 200, {
      timeoutMs: 90_000,
      intervalMs: 0,
      what: 'a result without a wait',
    })
  })

  it('is the same after a restart, and appends nothing twice', async () => {
    const before = await status('BTC-THB')
    await matching.stop()
    const { rows } = await exchange.platform.db('matching').query('select command_seq from snapshots')
    expect(rows).toEqual([{ command_seq: before?.commandSeq }])
    await start()
    expect(await status('BTC-THB')).toEqual(before)
    await exchange.send(trader.orders(4))
    await exchange.settled(trader)
  })

  it('is not ready while a market is stopped, says why, and does not show its book', async () => {
    const broken = new Trader('BAD-THB', 1).orders(3)
    const records = broken.take()
    await exchange.append(1, [...records.slice(0, 2), ...records.slice(3)])
    await waitFor(async () => !(await matching.health()).ready)
    const { dependencies } = await matching.health()
    expect(dependencies.filter(({ ok }) => !ok)).toEqual([
      { name: 'matching partition 1', ok: false, detail: 'BAD-THB is stopped: command 4 follows 2' },
    ])
    expect(dependencies).toContainEqual({ name: 'matching partition 2', ok: true, detail: '0 commands behind' })
    expect(await status('BAD-THB')).toMatchObject({ running: false, stoppedReason: 'command 4 follows 2' })
    await expect((await client()).getBook({ symbol: 'BAD-THB' })).rejects.toMatchObject({ kind: 'unavailable' })
  })
})

describe('permissions', () => {
  storePermissionSuite({
    service: 'matching',
    appDb: () => exchange.platform.db('matching'),
    ownerTables: { insertOnly: [] },
    foreignSchemas: ['order', 'ledger'],
  })
})
