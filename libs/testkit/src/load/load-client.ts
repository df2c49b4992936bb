import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { seeded } from '../faults/random.ts'
import { waitFor } from '../wait.ts'
import { type Answer, type Call, call } from './http.ts'

export type LoadOptions = {
  url: string
  seed: number
  users: number
  symbol: string
  operator: { email: string; password: string }
  /** The most requests in flight for one user. */
  concurrency?: number
  /** Pause between two requests of one lane. */
  thinkMs?: number
  /** How long an answer is waited for before its outcome is unknown; where every answer counts, longer than the edge waits. */
  timeoutMs?: number
}

type Person = { name: string; token: string; accounts: Map<string, string>; open: string[] }
type Done = { id: string; kind: 'order' | 'transfer'; person: Person; request: Call }

const UNKNOWN_PAUSE_MS = 200
const LANES = 8

/** Does something with each item, a few at a time. */
async function sideBySide<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      for (const item of rest) await work(item)
    }),
  )
}

const PRICE = 1_000_000
const STEP = 100
const idOf = (data: unknown, field: string): string => String((data as Record<string, unknown>)[field])

/**
 * People who trade and transfer at once, with an idempotency key on everything, as a careful program would. Whatever has no
 * known outcome is asked again with its key until it has one.
 */
export class LoadClient {
  /** What the exchange has acknowledged: it must all be there, once. */
  readonly acknowledged = new Map<string, Done>()
  readonly counts = { orders: 0, cancels: 0, transfers: 0, refused: 0, unknown: 0, serverErrors: 0 }
  private readonly people: Person[] = []
  private readonly random
  private unsure: Done[] = []
  private stopping = false
  private lanes: Promise<void>[] = []

  constructor(private readonly options: LoadOptions) {
    this.random = seeded(options.seed)
  }

  /** Registers the people and has the operator credit them. */
  async setUp(): Promise<void> {
    const { operator, users, symbol } = this.options
    const treasury = await this.signIn(operator.email, operator.password)
    const assets = symbol.split('-')
    for (let index = 0; index < users; index += 1) {
      const name = `load${index}-${randomUUID().slice(0, 8)}`
      const password = randomUUID()
      await this.register({ username: name, email: `${name}@example.com`, password })
      const token = await this.signIn(name, password)
      const { data } = await this.ask({ method: 'GET', path: '/v1/ledger/accounts?per_page=200', token })
      const items = (data as { items: { id: string; asset: string }[] }).items
      const person: Person = { name, token, accounts: new Map(items.map(({ asset, id }) => [asset, id])), open: [] }
      for (const asset of assets) {
        const body = { account_id: person.accounts.get(asset), type: 'credit', amount: '1000000', asset }
        await this.ask({ method: 'POST', path: '/v1/ledger/transactions', token: treasury, key: randomUUID(), body })
      }
      this.people.push(person)
    }
  }

  /** Begins; `stop` ends it. */
  start(): void {
    const { concurrency = 2 } = this.options
    this.stopping = false
    this.lanes = this.people.flatMap((person) => Array.from({ length: concurrency }, () => this.lane(person)))
  }

  /** Ends the lanes and asks again for everything whose outcome is unknown, until it is known. */
  async stop(): Promise<void> {
    this.stopping = true
    await Promise.all(this.lanes)
    await sideBySide(this.unsure.splice(0), (done) => this.decide(done))
  }

  /** Repeats everything acknowledged with its key: the same answer must come. Answers what differs or is missing. */
  async differences(): Promise<string[]> {
    const differences: string[] = []
    await sideBySide([...this.acknowledged], async ([id, { kind, person, request }]) => {
      const repeat = await this.decided(request)
      const again = idOf(repeat.data, kind === 'order' ? 'order_id' : 'transaction_id')
      if (again !== id) differences.push(`${kind} ${id} was answered again as ${again} (${repeat.code})`)
      const path = kind === 'order' ? `/v1/orders/${id}` : `/v1/ledger/transactions/${id}`
      const found = await this.decided({ method: 'GET', path, token: person.token })
      if (found.status !== 200) differences.push(`${kind} ${id} is not there: ${found.status}`)
    })
    return differences
  }

  private async lane(person: Person): Promise<void> {
    while (!this.stopping) {
      const dice = this.random.next()
      if (dice < 0.55) await this.placeOrder(person)
      else if (dice < 0.75) await this.cancelOne(person)
      else await this.transfer(person)
      await pause(this.options.thinkMs ?? 5)
    }
  }

  private async placeOrder(person: Person): Promise<void> {
    const market = this.random.next() < 0.15
    const body = {
      symbol: this.options.symbol,
      side: this.random.next() < 0.5 ? 'buy' : 'sell',
      type: market ? 'market' : 'limit',
      ...(market ? {} : { price: String(PRICE + STEP * (this.random.int(9) - 4)) }),
      quantity: (0.0001 * (1 + this.random.int(20))).toFixed(4),
      time_in_force: market ? 'IOC' : this.random.pick(['GTC', 'GTC', 'GTC', 'IOC', 'FOK']),
    }
    const request = { method: 'POST', path: '/v1/orders', token: person.token, key: randomUUID(), body }
    this.counts.orders += 1
    await this.record('order', person, request)
  }

  private async transfer(person: Person): Promise<void> {
    const to = this.random.pick(this.people)
    if (to === person) return
    const asset = this.random.pick(this.options.symbol.split('-'))
    const body = {
      account_id: person.accounts.get(asset),
      type: 'transfer',
      amount: String(1 + this.random.int(50)),
      asset,
      destination_account_username: to.name,
    }
    const request = { method: 'POST', path: '/v1/ledger/transactions', token: person.token, key: randomUUID(), body }
    this.counts.transfers += 1
    await this.record('transfer', person, request)
  }

  private async cancelOne(person: Person): Promise<void> {
    const id = person.open.shift()
    if (id === undefined) return
    this.counts.cancels += 1
    this.countUnknown(await this.call({ method: 'DELETE', path: `/v1/orders/${id}`, token: person.token }))
  }

  private async record(kind: Done['kind'], person: Person, request: Call): Promise<void> {
    const done: Done = { id: '', kind, person, request }
    const answer = await this.call(request)
    if (answer.status === 'unknown') {
      this.countUnknown(answer)
      this.unsure.push(done)
      // As a careful program would: what has just failed is not hammered.
      await pause(UNKNOWN_PAUSE_MS)
    } else this.note(done, answer)
  }

  private countUnknown(answer: Answer): void {
    if (answer.status !== 'unknown') return
    this.counts.unknown += 1
    if ('http' in answer && answer.http !== undefined) this.counts.serverErrors += 1
  }

  private note(done: Done, answer: Answer): void {
    if (answer.status !== 201) {
      this.counts.refused += 1
      return
    }
    const id = idOf('data' in answer ? answer.data : {}, done.kind === 'order' ? 'order_id' : 'transaction_id')
    if (this.acknowledged.has(id)) throw new Error(`${done.kind} ${id} was acknowledged for two keys`)
    this.acknowledged.set(id, { ...done, id })
    if (done.kind === 'order') done.person.open.push(id)
  }

  private async decide(done: Done): Promise<void> {
    this.note(done, await this.decided(done.request))
  }

  private call(request: Call): Promise<Answer> {
    return call(this.options.url, { timeoutMs: this.options.timeoutMs, ...request })
  }

  /** Asks until there is an answer. */
  private async decided(request: Call): Promise<Exclude<Answer, { status: 'unknown' }>> {
    return waitFor(
      async () => {
        const answer = await this.call(request)
        return answer.status === 'unknown' ? undefined : answer
      },
      { timeoutMs: 90_000, intervalMs: 100, what: `an answer to ${request.method} ${request.path}` },
    )
  }

  private async ask(request: Call): Promise<{ status: number; data: unknown }> {
    const answer = await this.decided(request)
    if (answer.status >= 400) throw new Error(`${request.method} ${request.path}: ${answer.status} ${answer.code}`)
    return answer
  }

  private async register(body: { username: string; email: string; password: string }): Promise<void> {
    const { status, code } = await this.decided({ method: 'POST', path: '/v1/auth/register', body })
    // Nobody else takes such a name: the first attempt had come to its end after all, without an answer.
    if (status >= 400 && status !== 409) throw new Error(`${body.username} cannot register: ${status} ${code}`)
  }

  private async signIn(identifier: string, password: string): Promise<string> {
    const { data } = await this.ask({ method: 'POST', path: '/v1/auth/login', body: { identifier, password } })
    return idOf(data, 'access_token')
  }
}
