import { newId } from '@bitka/kernel'
import { HoldPurpose, TransactionType } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { seeded } from '@bitka/testkit'
import type { Cleanup } from '../cleanup.ts'
import { durability } from '../durability.ts'
import { closedLoop, type LoopResult } from '../load/closed-loop.ts'
import { onDisk } from '../machine.ts'
import { CpuMeter, withChildren } from '../processes.ts'
import type { Metric } from '../report.ts'
import { median, round, shown, spread } from '../stats.ts'
import { addPeople, type Person } from './people.ts'
import { RAW_BATCH, RawLedger } from './raw.ts'
import { type LedgerServer, startLedgerServer } from './server.ts'

export type LedgerOptions = {
  folder: string
  rounds: number
  seconds: number
  seed: number
  cleanup: Cleanup
  log: (line: string) => void
}

const PEOPLE = 500
const BATCH = 100
const BATCH_CALLERS = 8
const SINGLE_CALLERS = 64
const RAW_CLIENTS = 2
const WARM_UP_MS = 1_500

type Measured = { rates: number[]; latenciesMs: number[]; cpu: Record<string, number> }

/** Postings through the ledger's RPCs over mTLS, beside what raw SQL does on the same server. */
export async function benchLedger(options: LedgerOptions): Promise<Metric[]> {
  const { folder, rounds, seconds, seed, cleanup, log } = options
  const random = seeded(seed)
  const server = await startLedgerServer(folder, cleanup)
  const people = await addPeople(server, PEOPLE)
  const raw = await RawLedger.open(server.adminUrl, RAW_CLIENTS, random)
  cleanup.add('raw clients', () => raw.close())
  const clientOf = (worker: number) => {
    const client = raw.clients[worker]
    if (!client) throw new Error('there are fewer clients than workers')
    return client
  }
  const spreadHolds = holder(server, () => random.pick(people))
  const [hotPerson] = people as [Person]
  const hotHolds = holder(server, () => hotPerson)
  const work: Record<string, (ms: number) => Promise<LoopResult>> = {
    batch100: (ms) => closedLoop(BATCH_CALLERS, ms, spreadHolds),
    raw_transfers: (ms) => closedLoop(RAW_CLIENTS, ms, (worker) => raw.transfers(clientOf(worker))),
    raw_holds: (ms) => closedLoop(RAW_CLIENTS, ms, (worker) => raw.holds(clientOf(worker))),
    hot: (ms) => closedLoop(BATCH_CALLERS, ms, hotHolds),
    single: (ms) => closedLoop(SINGLE_CALLERS, ms, () => transfer(server, random.pick(people), random.pick(people))),
  }
  const parts = {
    ledger: () => [server.ledgerPid],
    postgres: () => withChildren([server.postgresPid]),
    client: () => [process.pid],
  }
  const measured = new Map<string, Measured>()
  for (const run of Object.values(work)) await run(WARM_UP_MS)
  for (let turn = 1; turn <= rounds; turn += 1) {
    for (const [name, run] of Object.entries(work)) {
      const meter = new CpuMeter(parts)
      const result = await run(seconds * 1000)
      const so = measured.get(name) ?? { rates: [], latenciesMs: [], cpu: {} }
      so.rates.push(Math.round(result.perSecond))
      so.latenciesMs.push(...result.latenciesMs)
      so.cpu = meter.shares()
      measured.set(name, so)
      log(`ledger round ${turn} ${name}: ${Math.round(result.perSecond)} items/s`)
    }
  }
  const common = {
    ...(await durability(server.appUrl)),
    data_on_disk: onDisk(folder),
    mode: 'ledger in a process of its own, mTLS, caller policy on; PostgreSQL with the settings of make up',
    rounds,
    round_s: seconds,
    warm_up_s: WARM_UP_MS / 1000,
    seed,
    accounts: PEOPLE,
  }
  return toMetrics(measured, common)
}

function toMetrics(measured: ReadonlyMap<string, Measured>, common: Record<string, unknown>): Metric[] {
  const of = (name: string): Measured => measured.get(name) ?? { rates: [], latenciesMs: [], cpu: {} }
  const rate = (name: string): number => median(of(name).rates)
  const details = (name: string) => ({
    rates: of(name).rates,
    call_ms: shown(spread([...of(name).latenciesMs])),
    cpu_of_last_round: of(name).cpu,
  })
  const batch = {
    what: `Hold and Release in turn, ${BATCH} items a call, ${BATCH_CALLERS} callers, as the order service; an item is one hold or one release`,
  }
  return [
    {
      id: 'ledger.batch100',
      value: rate('batch100'),
      unit: 'items/s',
      better: 'higher',
      peer: 'raw SQL, the same rows',
      peer_value: rate('raw_holds'),
      conditions: {
        ...batch,
        ...details('batch100'),
        peer_what: `set-based SQL, ${RAW_BATCH} holds or releases a commit, the same rows as ours; ${RAW_CLIENTS} clients, same server, same shape of tables`,
        peer_rates: of('raw_holds').rates,
        raw_transfers_per_s: rate('raw_transfers'),
        raw_transfers_what: `for scale: ${RAW_BATCH} transfers a commit, each a transaction and two postings, which is more rows than a hold and its release`,
        raw_transfers_rates: of('raw_transfers').rates,
        ratio_to_raw_transfers: round(rate('batch100') / rate('raw_transfers')),
        ...common,
      },
    },
    {
      id: 'ledger.hot',
      value: rate('hot'),
      unit: 'items/s',
      better: 'higher',
      conditions: {
        ...batch,
        account: 'every item touches the same account',
        ratio_to_batch100: round(rate('hot') / rate('batch100')),
        ...details('hot'),
        ...common,
      },
    },
    {
      id: 'ledger.single',
      value: rate('single'),
      unit: 'transfers/s',
      better: 'higher',
      conditions: {
        what: `CreateTransaction, a transfer between two users a call, ${SINGLE_CALLERS} at once, each with its token, idempotency key, recipient looked up by name, event and audit record`,
        ...details('single'),
        ...common,
      },
    },
  ]
}

/** A caller that holds for a hundred orders, then releases them, and so on. */
function holder({ posting }: LedgerServer, pick: () => Person): (worker: number) => Promise<number> {
  const held = new Map<number, { holdId: string; purpose: HoldPurpose }[]>()
  return async (worker) => {
    const before = held.get(worker)
    if (before) {
      held.delete(worker)
      const { results } = await posting.release({ items: before })
      assertAll(results, BATCH)
      return BATCH
    }
    const items = Array.from({ length: BATCH }, () => ({
      holdId: newId(),
      purpose: HoldPurpose.ORDER,
      userId: pick().userId,
      asset: 'THB',
      receiveAsset: 'BTC',
      symbol: 'BTC-THB',
      amount: '1',
    }))
    const { results } = await posting.hold({ items })
    assertAll(results, BATCH)
    held.set(
      worker,
      items.map(({ holdId, purpose }) => ({ holdId, purpose })),
    )
    return BATCH
  }
}

function assertAll(results: readonly { error?: { message: string } }[], count: number): void {
  const refused = results.find(({ error }) => error !== undefined)
  if (refused || results.length !== count) throw new Error(`the ledger refused an item: ${refused?.error?.message}`)
}

async function transfer({ ledger }: LedgerServer, from: Person, to: Person): Promise<number> {
  if (from === to) return 0
  await ledger.createTransaction(
    {
      accountId: from.accountId,
      asset: 'THB',
      amount: '0.01',
      type: TransactionType.TRANSFER,
      destinationAccountUsername: to.username,
    },
    { ...from.as, edge: { idempotencyKey: newId() } },
  )
  return 1
}
