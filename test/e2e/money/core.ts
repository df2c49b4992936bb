import { DomainError, ManualClock, newId, silentLogger } from '@bitka/kernel'
import { startLedger } from '@bitka/ledger'
import { startMatching } from '@bitka/matching'
import type { CallOptions, Client, Role } from '@bitka/mesh'
import { startOrder } from '@bitka/order'
import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { AssetType, LedgerService, TransactionType } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { type CreateMarketRequestSchema, OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { RunningService, ServiceEnv, StartService } from '@bitka/service'
import { type Db, openDb } from '@bitka/store'
import {
  brokenInvariants,
  type FakeAuth,
  fakeAuth,
  freePort,
  type TestPlatform,
  testPlatform,
  waitFor,
} from '@bitka/testkit'
import type { MessageInitShape } from '@bufbuild/protobuf'

export type Person = { userId: string; as: CallOptions }
type Name = 'ledger' | 'order' | 'matching'

const starters: Record<Name, StartService> = { ledger: startLedger, order: startOrder, matching: startMatching }
const quick: Record<Name, ServiceEnv> = {
  ledger: {},
  order: { BITKA_ORDER_SWEEP_MS: '50', BITKA_ORDER_SETTLEMENT_POLL_MS: '50' },
  matching: { BITKA_MATCHING_SNAPSHOT_EVERY: '50' },
}

/** Order, ledger and matching as they are, over the real mesh on one PostgreSQL. Only the people are made up. */
export class Core {
  readonly clock = new ManualClock(Date.now())
  private readonly running = new Map<string, RunningService>()

  private constructor(
    readonly platform: TestPlatform,
    private readonly auth: FakeAuth,
    private readonly ports: Readonly<Record<Name, number>>,
    readonly order: Client<typeof OrderService>,
    readonly ledger: Client<typeof LedgerService>,
    /** The whole database, as its superuser. */
    readonly db: Db,
    readonly operator: Person,
    readonly treasury: Person,
  ) {}

  static async open(): Promise<Core> {
    const platform = await testPlatform()
    const auth = await fakeAuth(platform)
    const ports = { ledger: await freePort(), order: await freePort(), matching: await freePort() }
    for (const name of ['ledger', 'order', 'matching'] as const) platform.at(name, ports[name])
    const core = new Core(
      platform,
      auth,
      ports,
      await platform.client(OrderService, 'gateway', { service: 'order', port: ports.order }),
      await platform.client(LedgerService, 'gateway', { service: 'ledger', port: ports.ledger }),
      openDb({ url: platform.database.adminUrl, schema: 'ledger', poolSize: 2 }),
      await personOf(auth, 'operator', ['operator']),
      await personOf(auth, 'treasurer', ['treasury']),
    )
    for (const name of ['ledger', 'matching', 'order'] as const) await core.start(name)
    return core
  }

  /** Starts a service; a second process of it has a port of its own, that nobody calls. */
  async start(name: Name, second = false): Promise<void> {
    const port = second ? 0 : this.ports[name]
    const env = this.platform.env(name, { ...quick[name], BITKA_RPC_PORT: String(port) })
    const service = await starters[name](env, { clock: this.clock, log: silentLogger })
    this.running.set(second ? `${name} 2` : name, service)
  }

  async stop(name: Name, second = false): Promise<void> {
    const key = second ? `${name} 2` : name
    await this.running.get(key)?.stop()
    this.running.delete(key)
  }

  async close(): Promise<void> {
    await Promise.all([...this.running.values()].map((service) => service.stop()))
    await this.auth.stop()
    await this.db.close()
    await this.platform.stop()
  }

  async asset(symbol: string, decimals: number): Promise<void> {
    await this.ledger.createAsset({ symbol, name: symbol, type: AssetType.CRYPTO, decimals }, this.operator.as)
  }

  async market(definition: MessageInitShape<typeof CreateMarketRequestSchema>): Promise<void> {
    await waitFor(async () => (await this.order.createMarket(definition, this.operator.as)) !== undefined)
    await this.trades(definition.symbol ?? '')
  }

  /** Waits until a market takes orders. */
  async trades(symbol: string): Promise<void> {
    await waitFor(
      async () => {
        const { items } = await this.order.listMarkets({}, this.operator.as)
        return items.find((market) => market.symbol === symbol)?.status === MarketStatus.TRADING
      },
      { timeoutMs: 30_000, what: `${symbol} to trade` },
    )
  }

  person(roles: readonly Role[] = ['user']): Promise<Person> {
    return personOf(this.auth, `p${newId().slice(-12)}`, roles)
  }

  async fund(person: Person, asset: string, amount: string): Promise<void> {
    const { items } = await this.ledger.listAccounts({ asset }, person.as)
    const request = { accountId: items[0]?.id ?? '', asset, amount, type: TransactionType.CREDIT }
    await this.ledger.createTransaction(request, this.treasury.as)
  }

  /** Available and locked of one person, by asset. */
  async balances(person: Person): Promise<Record<string, [string, string]>> {
    const { items } = await this.ledger.listAccounts({ perPage: 200 }, person.as)
    return Object.fromEntries(items.map(({ asset, available, locked }) => [asset, [available, locked]]))
  }

  /** The balance of one of the exchange's own accounts, in minor units. */
  async own(name: string, asset: string): Promise<bigint> {
    const sql = `select available from ledger.accounts where owner_kind = 'system' and owner_id = $1 and asset = $2`
    const { rows } = await this.db.query<{ available: string }>(sql, [name, asset])
    return BigInt(rows[0]?.available ?? -1)
  }

  /** Everything on its way has arrived, and nothing that was promised is broken. */
  async holdsTrue(timeoutMs = 60_000): Promise<void> {
    const { adminUrl } = this.platform.database
    await waitFor(
      async () => {
        const text = JSON.stringify(await brokenInvariants(adminUrl), (_, value) =>
          typeof value === 'bigint' ? String(value) : value,
        )
        if (text !== '[]') throw new Error(text)
        return true
      },
      { timeoutMs, intervalMs: 200, what: 'the invariants to hold' },
    )
  }

  /** Cuts some of the database's connections, at whatever point they are. */
  async cut(share: number): Promise<void> {
    await this.db.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and random() < $1`,
      [share],
    )
  }
}

async function personOf(auth: FakeAuth, username: string, roles: readonly Role[]): Promise<Person> {
  const { userId } = auth.addUser(username)
  return { userId, as: { token: await auth.token(userId, { roles: [...new Set<Role>(['user', ...roles])] }) } }
}

/** The kind of the refusal, or "done". */
export async function kindOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'done'
  } catch (error) {
    if (error instanceof DomainError) return error.kind
    throw error
  }
}
