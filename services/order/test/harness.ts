import { DomainError, ManualClock, silentLogger } from '@bitka/kernel'
import type { CallOptions, Client, Role } from '@bitka/mesh'
import { MarketStatus, OrderSide, OrderType } from '@bitka/proto/bitka/common/v1/market_pb'
import { AuditRecordedSchema } from '@bitka/proto/bitka/events/v1/audit_pb'
import { type CreateOrderRequestSchema, OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { RunningService, ServiceEnv } from '@bitka/service'
import { type Db, openDb } from '@bitka/store'
import { type FakeAuth, fakeAuth, freePort, type TestPlatform, testPlatform, waitFor } from '@bitka/testkit'
import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { startOrder } from '../src/service.ts'
import { Engine } from './engine.ts'
import { FakeLedger } from './fake-ledger.ts'

export const { BUY, SELL } = OrderSide
export const { LIMIT, MARKET } = OrderType

export type NewOrder = MessageInitShape<typeof CreateOrderRequestSchema>
export type Person = { userId: string; as: CallOptions }

/** A limit buy of 1 BTC at 50,000 THB. */
export const limitBuy: NewOrder = { symbol: 'BTC-THB', side: BUY, type: LIMIT, price: '50000', quantity: '1' }

export const bitcoin = {
  symbol: 'BTC-THB',
  baseAsset: 'BTC',
  quoteAsset: 'THB',
  tickSize: '0.05',
  lotSize: '0.0001',
  minQuantity: '0.0001',
  maxQuantity: '100',
  minNotional: '10',
}

/** The order service over real mTLS on a real database, with a ledger in memory and matching played by the test. */
export class Harness {
  readonly clock = new ManualClock(Date.now())
  service: RunningService | undefined

  private constructor(
    readonly platform: TestPlatform,
    private readonly auth: FakeAuth,
    readonly ledger: FakeLedger,
    readonly engine: Engine,
    private readonly port: number,
    readonly client: Client<typeof OrderService>,
    /** The service's tables, as their owner. */
    readonly db: Db,
  ) {}

  static async open(env: ServiceEnv = {}): Promise<Harness> {
    const platform = await testPlatform()
    const auth = await fakeAuth(platform)
    const ledger = await FakeLedger.start(platform)
    const port = await freePort()
    const client = await platform.client(OrderService, 'gateway', { service: 'order', port })
    const db = openDb({ url: platform.database.of('order').ownerUrl, schema: 'order', poolSize: 2 })
    const engine = new Engine(platform.eventLog('matching'), 4)
    const harness = new Harness(platform, auth, ledger, engine, port, client, db)
    await harness.start(env)
    return harness
  }

  /** The service's environment. The port stays over restarts, so that the client finds it again. */
  env(own: ServiceEnv = {}): ServiceEnv {
    const quick = { BITKA_ORDER_SWEEP_MS: '50', BITKA_ORDER_SETTLEMENT_POLL_MS: '50' }
    return this.platform.env('order', { BITKA_RPC_PORT: String(this.port), ...quick, ...own })
  }

  async start(env: ServiceEnv = {}): Promise<void> {
    this.service = await startOrder(this.env(env), { clock: this.clock, log: silentLogger })
  }

  async stop(): Promise<void> {
    await this.service?.stop()
    this.service = undefined
  }

  async close(): Promise<void> {
    await this.engine.stop()
    await this.stop()
    await this.ledger.stop()
    await this.auth.stop()
    await this.db.close()
    await this.platform.stop()
  }

  /** Somebody with plenty of everything. */
  async person(roles: readonly Role[] = ['user'], funds = 10n ** 15n): Promise<Person> {
    const { userId } = this.auth.addUser(`person-${Math.random().toString(36).slice(2)}`)
    for (const asset of this.ledger.assets.keys()) this.ledger.fund(userId, asset, funds)
    return { userId, as: { token: await this.auth.token(userId, { roles }) } }
  }

  operator(): Promise<Person> {
    return this.person(['user', 'operator'])
  }

  /** Makes a market that trades. */
  async market(over: Partial<typeof bitcoin> & { maxOpenOrders?: number } = {}): Promise<void> {
    const { as } = await this.operator()
    const { market } = await this.client.createMarket({ ...bitcoin, ...over }, as)
    // The answer waits two seconds for the engine, which a service that has just started may need for itself.
    await waitFor(async () => {
      const { items } = await this.client.listMarkets({ perPage: 200 }, as)
      return items.some(({ symbol, status }) => symbol === market?.symbol && status === MarketStatus.TRADING)
    })
  }

  /** Places an order and has the engine take it; answers its id. */
  async place(person: Person, order: NewOrder = limitBuy): Promise<string> {
    const { orderId } = await this.client.createOrder(order, person.as)
    await this.engine.accept(orderId)
    await waitFor(async () => (await this.state(orderId)) === 'open', { what: 'the order to be open' })
    return orderId
  }

  /** The inner state of an order. */
  async state(orderId: string): Promise<string | undefined> {
    const { rows } = await this.db.query<{ state: string }>('select state from orders where id = $1', [orderId])
    return rows[0]?.state
  }

  /** Audit rows of an action, as [outcome, error code]. */
  async audited(action: string): Promise<[number, string][]> {
    const { rows } = await this.db.query<{ value: Buffer }>(
      `select value from outbox where topic = 'system.audit.log.order' order by id`,
    )
    return rows
      .map(({ value }) => fromBinary(AuditRecordedSchema, value))
      .filter((record) => record.action === action)
      .map(({ outcome, errorCode }) => [outcome, errorCode])
  }
}

/** With an Idempotency-Key. */
export const keyed = ({ as }: Person, idempotencyKey: string): CallOptions => ({ ...as, edge: { idempotencyKey } })

/** Waits for the engine up to so many seconds. */
export const waiting = ({ as }: Person, seconds: number): CallOptions => ({
  ...as,
  edge: { prefer: `wait=${seconds}` },
})

/** With an Idempotency-Key, and waits for the engine. */
export const keyedWaiting = (person: Person, idempotencyKey: string, seconds: number): CallOptions => ({
  ...person.as,
  edge: { ...waiting(person, seconds).edge, idempotencyKey },
})

/** What a call was refused with: its kind, and its details if it names any. */
export async function refusal(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
    return 'it was done'
  } catch (error) {
    if (!(error instanceof DomainError)) throw error
    return Object.keys(error.details).length > 0 ? [error.kind, error.details] : error.kind
  }
}
