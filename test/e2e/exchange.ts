import { randomBytes } from 'node:crypto'
import { type Exchange, readConfig, startExchange } from '@bitka/embedded'
import { type Logger, silentLogger } from '@bitka/kernel'
import { tempDir, waitFor } from '@bitka/testkit'
import { Person } from './person.ts'
import { call, dataOf } from './rest.ts'

export const operatorPassword = process.env.BITKA_OPERATOR_PASSWORD ?? 'the word of an operator'
const operatorEmail = process.env.BITKA_OPERATOR_EMAIL ?? 'operator@bitka.local'

/** A market that only one test file trades in. */
export type TestMarket = { symbol: string; base: string; quote: 'THB' }

/**
 * The whole exchange behind its gateway, as its users see it: one of our own in this process, or the running one at
 * BITKA_E2E_URL (with BITKA_OPERATOR_PASSWORD and rate limits off), which other runs may have used before.
 */
export class TestExchange {
  /** Makes names of this run unlike those of any other. */
  private readonly suffix = randomBytes(4).toString('hex')
  private markets = 0

  private constructor(
    readonly url: string,
    /** The first operator, who has every role. */
    readonly operator: Person,
    private readonly own: Exchange | undefined,
  ) {}

  static async start(): Promise<TestExchange> {
    const url = process.env.BITKA_E2E_URL
    if (url === undefined) return await TestExchange.startOwn()
    const operator = await Person.signIn(url, operatorEmail, operatorPassword)
    return new TestExchange(url, operator, undefined)
  }

  /** One of our own in any case, that nobody has used before. `env` as for make up. */
  static async startOwn(
    env: Readonly<Record<string, string>> = {},
    logOf: (name: string) => Logger = () => silentLogger,
  ): Promise<TestExchange> {
    const own = await startOwn(env, logOf)
    const { url } = own
    const operator = await Person.signIn(url, operatorEmail, operatorPassword)
    return new TestExchange(url, operator, own)
  }

  async stop(): Promise<void> {
    await this.own?.stop()
  }

  /** A username that is nobody's yet: alice becomes, say, alice-1f2e3d4c. */
  nameOf(name: string): string {
    return `${name}-${this.suffix}`
  }

  /** Registers somebody and signs them in. */
  person(name: string): Promise<Person> {
    return Person.register(this.url, this.nameOf(name))
  }

  /** Credits somebody, as the operator: `fund(alice, '100 THB', '1 BTC')`. */
  async fund(person: Person, ...amounts: string[]): Promise<void> {
    for (const text of amounts) {
      const [amount, asset] = text.split(' ')
      const { id } = await person.account(asset!)
      const body = { account_id: id, type: 'credit', amount, asset }
      const answer = await this.operator.post('/v1/ledger/transactions', { body })
      expect(answer.status).toBe(201)
    }
  }

  /** A new asset with 8 decimals and a market of it against THB, with an empty book. */
  async market(rules: object = {}): Promise<TestMarket> {
    this.markets += 1
    const base = `T${this.suffix.toUpperCase().slice(0, 7)}${this.markets}`
    const symbol = `${base}-THB`
    const asset = { symbol: base, name: 'A test asset', type: 'CRYPTO', decimals: 8 }
    expect((await this.operator.post('/v1/ledger/assets', { body: asset })).status).toBe(201)
    const body = {
      symbol,
      base_asset: base,
      quote_asset: 'THB',
      tick_size: '0.01',
      lot_size: '0.0001',
      min_quantity: '0.0001',
      max_quantity: '1000',
      min_notional: '1',
      ...rules,
    }
    const created = await this.operator.post('/v1/admin/markets', { body })
    expect(created).toMatchObject({ status: 201, body: { success: true } })
    await waitFor(
      async () => {
        const { status, body: book } = await call(this.url, 'GET', `/v1/marketdata/orderbook/${symbol}`)
        return status === 200 && dataOf(book).symbol === symbol
      },
      { what: 'the new market in market data' },
    )
    return { symbol, base, quote: 'THB' }
  }
}

async function startOwn(env: Readonly<Record<string, string>>, logOf: (name: string) => Logger): Promise<Exchange> {
  const config = readConfig({
    BITKA_DATA_DIR: await tempDir(),
    BITKA_HTTP_PORT: '0',
    BITKA_RATE_LIMIT_SCALE: '0',
    BITKA_OPERATOR_EMAIL: operatorEmail,
    BITKA_OPERATOR_PASSWORD: operatorPassword,
    ...env,
  })
  return await startExchange(config, logOf)
}
