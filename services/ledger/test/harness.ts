import type { EventLog } from '@bitka/events'
import { DomainError, newId, silentLogger } from '@bitka/kernel'
import type { CallOptions, Client, Role } from '@bitka/mesh'
import { OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import { type MatchResultSchema, MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import {
  AssetType,
  HoldPurpose,
  LedgerPostingService,
  LedgerService,
  TransactionType,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { RunningService, ServiceEnv } from '@bitka/service'
import { type Db, openDb } from '@bitka/store'
import { type FakeAuth, fakeAuth, freePort, type TestPlatform, testPlatform, waitFor } from '@bitka/testkit'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { startLedger } from '../src/service.ts'

export type Person = { userId: string; username: string; as: CallOptions }
type Party = { orderId: string; quoteAmount: bigint; fee?: bigint; holdAfter: bigint }

const MARKET = 'BTC-THB'

/** The ledger over real mTLS on a real database and event log; auth's directory and matching are played by the test. */
export class Harness {
  service: RunningService | undefined
  private results = 0n
  private commands = 0n

  private constructor(
    readonly platform: TestPlatform,
    private readonly auth: FakeAuth,
    readonly port: number,
    readonly ledger: Client<typeof LedgerService>,
    readonly posting: Client<typeof LedgerPostingService>,
    /** The ledger's tables, as their owner. */
    readonly db: Db,
    readonly matching: EventLog,
    readonly treasury: Person,
    readonly operator: Person,
  ) {}

  static async open(): Promise<Harness> {
    const platform = await testPlatform()
    const auth = await fakeAuth(platform)
    const port = await freePort()
    const target = { service: 'ledger', port } as const
    const harness = new Harness(
      platform,
      auth,
      port,
      await platform.client(LedgerService, 'gateway', target),
      await platform.client(LedgerPostingService, 'order', target),
      openDb({ url: platform.database.of('ledger').ownerUrl, schema: 'ledger', poolSize: 2 }),
      platform.eventLog('matching'),
      await personOf(auth, 'treasurer', ['treasury']),
      await personOf(auth, 'operator', ['operator']),
    )
    await harness.start()
    for (const [symbol, decimals] of [
      ['BTC', 8],
      ['THB', 2],
    ] as const)
      await harness.addAsset(symbol, decimals)
    return harness
  }

  async start(env: ServiceEnv = {}): Promise<RunningService> {
    this.service = await startLedger(this.env({ BITKA_RPC_PORT: String(this.port), ...env }), { log: silentLogger })
    return this.service
  }

  env(own: ServiceEnv = {}): ServiceEnv {
    return this.platform.env('ledger', own)
  }

  async stop(): Promise<void> {
    await this.service?.stop()
    this.service = undefined
  }

  async close(): Promise<void> {
    await this.stop()
    await this.auth.stop()
    await this.db.close()
    await this.platform.stop()
  }

  person(username: string, ...roles: Role[]): Promise<Person> {
    return personOf(this.auth, username, roles)
  }

  addAsset(symbol: string, decimals: number) {
    const asset = { symbol, name: symbol, type: AssetType.CRYPTO, decimals }
    return this.ledger.createAsset(asset, this.operator.as)
  }

  async accountOf(person: Person, asset: string): Promise<string> {
    const { items } = await this.ledger.listAccounts({ asset }, person.as)
    return items[0]!.id
  }

  /** Available and locked by asset, where there is something. */
  async balances(person: Person): Promise<Record<string, string>> {
    const { items } = await this.ledger.listAccounts({ perPage: 200 }, person.as)
    return Object.fromEntries(
      items.flatMap((a) =>
        a.available === '0' && a.locked === '0' ? [] : [[a.asset, `${a.available} + ${a.locked}`]],
      ),
    )
  }

  /** Money from outside, as treasury books it. Answers the account's side. */
  async credit(person: Person, asset: string, amount: string): Promise<string> {
    const accountId = await this.accountOf(person, asset)
    const request = { accountId, asset, amount, type: TransactionType.CREDIT }
    return (await this.ledger.createTransaction(request, this.treasury.as)).transactionId
  }

  transfer(
    from: Person,
    to: string,
    accountId: string,
    amount: string,
    options: { key?: string; asset?: string; deadlineMs?: number } = {},
  ) {
    const { key, asset = 'THB', deadlineMs } = options
    const request = { accountId, asset, amount, type: TransactionType.TRANSFER, destinationAccountUsername: to }
    return this.ledger.createTransaction(request, {
      ...from.as,
      deadlineMs,
      ...(key === undefined ? {} : { edge: { idempotencyKey: key } }),
    })
  }

  /** Holds funds for an order: of THB to buy BTC, of BTC to sell it. Answers "ok" or the kind of the refusal. */
  async hold(person: Person, asset: 'BTC' | 'THB', amount: bigint, own: { holdId?: string; shown?: bigint } = {}) {
    const { holdId = newId(), shown } = own
    const { results } = await this.posting.hold({
      items: [
        {
          holdId,
          purpose: HoldPurpose.ORDER,
          userId: person.userId,
          asset,
          receiveAsset: asset === 'BTC' ? 'THB' : 'BTC',
          symbol: MARKET,
          amount: String(amount),
          shown: shown === undefined ? [] : [{ symbol: MARKET, resultNumber: shown }],
        },
      ],
    })
    return { holdId, outcome: results[0]?.error?.kind ?? 'ok' }
  }

  async release(holdId: string): Promise<string> {
    const { results } = await this.posting.release({ items: [{ holdId, purpose: HoldPurpose.ORDER }] })
    return results[0]?.error?.kind ?? results[0]?.released ?? 'none'
  }

  /** The engine's results of one command, numbered on; `again` sends them twice. */
  record(bodies: MessageInitShape<typeof MatchResultSchema>['body'][], first = this.results + 1n): Uint8Array {
    this.results = first + BigInt(bodies.length) - 1n
    this.commands += 1n
    const results = bodies.map((body, index) => ({ number: first + BigInt(index), body }))
    const message = create(MatchResultsSchema, {
      symbol: MARKET,
      commandSeq: this.commands,
      timeMs: BigInt(Date.now()),
      results,
    })
    return toBinary(MatchResultsSchema, message)
  }

  async append(...values: Uint8Array[]): Promise<void> {
    const records = values.map((value) => ({ key: MARKET, partition: 0, headers: {}, value }))
    await this.matching.append('trading.matches.executed', records)
  }

  /** Has matching publish results, and waits until they are settled. */
  async settle(...bodies: MessageInitShape<typeof MatchResultSchema>['body'][]): Promise<void> {
    await this.append(this.record(bodies))
    await this.settledTo(this.results)
  }

  settledTo(number: bigint): Promise<unknown> {
    return waitFor(async () => (await this.settled()) >= number, { what: `result ${number} to be settled` })
  }

  async settled(): Promise<bigint> {
    const { markets } = await this.posting.getSettlementStatus({})
    return markets.find(({ symbol }) => symbol === MARKET)?.resultNumber ?? 0n
  }

  trade(baseAmount: bigint, buyer: Party, seller: Party): MessageInitShape<typeof MatchResultSchema>['body'] {
    const party = ({ orderId, quoteAmount, fee = 0n, holdAfter }: Party) => ({
      orderId,
      quoteAmount: String(quoteAmount),
      fee: String(fee),
      holdAfter: String(holdAfter),
    })
    const value = {
      tradeNumber: 1n,
      baseAmount: String(baseAmount),
      takerSide: OrderSide.BUY,
      maker: party(seller),
      taker: party(buyer),
    }
    return { case: 'trade', value }
  }

  /** Lets settlement go on after everything that is in the log now, as if the records had never been there. */
  async skipAll(): Promise<void> {
    const [end] = await this.matching.latestOffsets('trading.matches.executed')
    await this.db.query(
      `update consumer_cursors set next_offset = $1, stopped_offset = null, stopped_error = null, stopped_at = null
       where topic = 'trading.matches.executed' and partition = 0`,
      [end],
    )
  }

  /** Asserts over the stored rows what no operation may break. */
  async checkBooks(): Promise<void> {
    const wrong = async (what: string, sql: string) => {
      const { rows } = await this.db.query(sql)
      expect({ what, rows }).toEqual({ what, rows: [] })
    }
    await wrong(
      'postings sum to zero per asset',
      'select asset, sum(amount) from postings p join accounts a on a.id = p.account_id group by asset having sum(amount) <> 0',
    )
    await wrong(
      'balances are the sum of their postings',
      `select a.id from accounts a left join postings p on p.account_id = a.id group by a.id
       having a.available + a.locked <> coalesce(sum(p.amount), 0) or a.posting_count <> count(p.id)
         or coalesce(max(p.number), 0) <> count(p.id)`,
    )
    await wrong(
      'balances after postings add up',
      `select id from (select id, balance_after, sum(amount) over (partition by account_id order by number) as total from postings) p
       where balance_after <> total`,
    )
    await wrong(
      'locked is what the holds have left',
      `select a.id, a.locked from accounts a left join (
         select distinct on (hold_id) hold_id, account_id, remaining_after from hold_changes order by hold_id, number desc) h
       on h.account_id = a.id group by a.id having a.locked <> coalesce(sum(h.remaining_after), 0)`,
    )
    await wrong('nobody owes', `select id from accounts where owner_id <> 'external' and (available < 0 or locked < 0)`)
  }
}

async function personOf(auth: FakeAuth, username: string, roles: Role[]): Promise<Person> {
  const { userId } = auth.addUser(username)
  return { userId, username, as: { token: await auth.token(userId, { roles: ['user', ...roles] }) } }
}

/** The DomainError that a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<Pick<DomainError, 'kind' | 'details'>> {
  try {
    await call
  } catch (error) {
    if (error instanceof DomainError) return { kind: error.kind, details: error.details }
    throw error
  }
  throw new Error('it was not refused')
}
