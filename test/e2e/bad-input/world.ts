import { type Exchange, readConfig, startExchange } from '@bitka/embedded'
import { type RunningGateway, startGateway } from '@bitka/gateway'
import { createLogger, type Logger, systemClock } from '@bitka/kernel'
import { UserRegisteredSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import { openDb } from '@bitka/store'
import { tempDir, waitFor } from '@bitka/testkit'
import { create, toBinary } from '@bufbuild/protobuf'
import { Person } from '../person.ts'
import { dataOf } from '../rest.ts'
import { type Json, type RawAnswer, type RawRequest, send } from './raw.ts'

const email = 'operator@bitka.local'
const password = 'the word of an operator'

/** What the whole exchange logs, at the level that says most. */
class Log {
  readonly lines: string[] = []
  readonly of = (name: string): Logger =>
    createLogger(name, { level: 'debug', destination: { write: (line) => this.lines.push(line) } })
}

export type Name = 'alice' | 'bob' | 'operator'

/** One exchange for all suites of bad input, with people who have money, an order in the book, and something to lose. */
export class World {
  private before: object = {}
  private parked = 0
  private readonly logStart: number
  /** Further gateways before the same services. */
  private readonly gateways: RunningGateway[] = []

  private constructor(
    private readonly exchange: Exchange,
    private readonly log: Log,
    readonly people: Readonly<Record<Name, Person>>,
    /** Accounts of alice and bob in THB and BTC. */
    readonly accounts: Readonly<Record<'alice' | 'bob', { THB: string; BTC: string }>>,
    /** An open order of each. */
    readonly orders: Readonly<Record<'alice' | 'bob', string>>,
  ) {
    this.logStart = log.lines.length
  }

  static async open(): Promise<World> {
    const log = new Log()
    const exchange = await startExchange(
      readConfig({
        BITKA_DATA_DIR: await tempDir(),
        BITKA_HTTP_PORT: '0',
        BITKA_RATE_LIMIT_SCALE: '0',
        BITKA_OPERATOR_EMAIL: email,
        BITKA_OPERATOR_PASSWORD: password,
      }),
      log.of,
    )
    const { url } = exchange
    const operator = await Person.signIn(url, email, password)
    const alice = await Person.register(url, 'alice')
    const bob = await Person.register(url, 'bob')
    const fund = async (person: Person, asset: string, amount: string): Promise<string> => {
      const { id } = await person.account(asset)
      const body = { account_id: id, type: 'credit', amount, asset }
      expect((await operator.post('/v1/ledger/transactions', { body })).status).toBe(201)
      return id
    }
    const accounts = {
      alice: { THB: await fund(alice, 'THB', '1000000'), BTC: await fund(alice, 'BTC', '10') },
      bob: { THB: await fund(bob, 'THB', '1000000'), BTC: await fund(bob, 'BTC', '10') },
    }
    const orders = {
      alice: (await alice.order('buy', 'BTC-THB', '0.1', '1000')).order_id,
      bob: (await bob.order('sell', 'BTC-THB', '0.1', '9000')).order_id,
    }
    return new World(exchange, log, { alice, bob, operator }, accounts, orders)
  }

  get port(): number {
    return Number(new URL(this.exchange.url).port)
  }

  get url(): string {
    return this.exchange.url
  }

  /** Everything that was logged since the exchange was ready, a line each. */
  get logged(): readonly string[] {
    return this.log.lines.slice(this.logStart)
  }

  token(name: Name): string {
    return this.people[name].token
  }

  send(one: RawRequest): Promise<RawAnswer> {
    return send(this.port, one)
  }

  /** As somebody with a token. */
  as(name: Name, one: RawRequest): Promise<RawAnswer> {
    return send(this.port, { ...one, token: this.token(name) })
  }

  async data(name: Name, path: string): Promise<Json> {
    const answer = await this.as(name, { path })
    expect(answer.status).toBe(200)
    return dataOf(answer.body)
  }

  /** Parks a record that notification can apply; answers the dead letter's id. */
  async park(): Promise<string> {
    this.parked += 1
    const db = openDb({ url: this.exchange.platform.appUrl('notification'), schema: 'notification', poolSize: 1 })
    try {
      const { rows } = await db.query<{ id: bigint }>(
        `insert into dead_letters
           (consumer_group, topic, partition, record_offset, record_time, key, headers, value, error, attempts)
         values ('notification.mails', 'identity.user.registered', 0, $1, now(), 'k', '{}', $2, 'refused', 6) returning id`,
        [
          1_000_000 + this.parked,
          Buffer.from(toBinary(UserRegisteredSchema, create(UserRegisteredSchema, { userId: this.people.bob.userId }))),
        ],
      )
      return String(rows[0]?.id)
    } finally {
      await db.close()
    }
  }

  /** All that bad input could have changed: money, holds, orders, transactions, people, assets, markets. */
  private async standing(): Promise<object> {
    const own = ['/v1/ledger/accounts', '/v1/orders?per_page=200', '/v1/ledger/transactions', '/v1/users/me']
    const common = ['/v1/admin/users', '/v1/admin/markets', '/v1/ledger/assets']
    const read = async (name: Name, path: string) => [`${name}: ${path}`, await this.data(name, path)]
    const all = [
      ...(['alice', 'bob'] as const).flatMap((name) => own.map((path) => read(name, path))),
      ...common.map((path) => read('operator', path)),
    ]
    return Object.fromEntries(await Promise.all(all))
  }

  /** Remembers how things stand, once the engine has read all that was asked of it. */
  async remember(): Promise<void> {
    await waitFor(async () => {
      this.before = await this.standing()
      return !JSON.stringify(this.before).includes('"status":"pending"')
    })
  }

  /** Nothing has changed since `remember()` or the last such look. */
  async expectUnchanged(): Promise<void> {
    const now = await this.standing()
    expect(now).toEqual(this.before)
  }

  /** Another gateway before the same services, with settings of its own; `aheadMs` makes its clock run ahead. */
  async gateway(env: Record<string, string> = {}, aheadMs = 0): Promise<number> {
    const { platform, ports } = this.exchange
    const gateway = await startGateway(
      {
        BITKA_PROFILE: 'demo',
        BITKA_HTTP_PORT: '0',
        BITKA_RATE_LIMIT_SCALE: '0',
        BITKA_DRAIN_MS: '500',
        SPIFFE_ENDPOINT_SOCKET: platform.ca.socketPath('gateway'),
        BITKA_PEERS: Object.entries(ports)
          .map(([name, port]) => `${name}=localhost:${port}`)
          .join(','),
        ...env,
      },
      {
        log: this.log.of('gateway'),
        clock: { now: () => new Date(Date.now() + aheadMs), nowMs: () => systemClock.nowMs() + aheadMs },
      },
    )
    this.gateways.push(gateway)
    return gateway.port
  }

  async close(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.stop()))
    await this.exchange.stop()
  }
}
