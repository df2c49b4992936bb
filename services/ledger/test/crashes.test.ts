import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { DomainError, newId } from '@bitka/kernel'
import { repositoryFolder } from '@bitka/service'
import { openDb } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { Harness, type Person } from './harness.ts'

/** The ledger as a process of its own, so that it can be killed as a power cut would. */
class LedgerProcess {
  private child: ChildProcess | undefined

  constructor(private readonly h: Harness) {}

  start(env: Record<string, string> = {}): void {
    const flags = ['--tls-min-v1.3', '--conditions=@bitka/source', '--import', 'tsx']
    this.child = spawn(process.execPath, [...flags, `${repositoryFolder('services/ledger')}/src/main.ts`], {
      env: { PATH: process.env.PATH, ...this.h.env({ BITKA_RPC_PORT: String(this.h.port) }), ...env },
      stdio: 'ignore',
    })
  }

  get isRunning(): boolean {
    return this.child?.exitCode === null && this.child.signalCode === null
  }

  async kill(): Promise<void> {
    if (!this.child || !this.isRunning) return
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }
}

describe('whatever crashes', () => {
  let h: Harness
  let people: Person[]
  let accounts: string[]
  let ledger: LedgerProcess
  beforeAll(async () => {
    h = await Harness.open()
    people = await Promise.all(['ann', 'ben', 'cat'].map((name) => h.person(name)))
    accounts = await Promise.all(people.map((person) => h.accountOf(person, 'THB')))
    for (const person of people) await h.credit(person, 'THB', '500')
    await h.stop()
    ledger = new LedgerProcess(h)
  })
  afterAll(async () => {
    await ledger.kill()
    await h.close()
  })

  /** Repeats a request with its key until it has an answer, as a client would. */
  async function insist(from: number, key: string, amount: string): Promise<string> {
    for (;;) {
      const to = people[(from + 1) % people.length]!.username
      try {
        return (await h.transfer(people[from]!, to, accounts[from]!, amount, { key, deadlineMs: 1_000 })).transactionId
      } catch (error) {
        if (!(error instanceof DomainError)) throw error
        if (error.kind === 'insufficient_funds') return error.kind
        expect(['unavailable', 'deadline_exceeded']).toContain(error.kind)
        await pause(50)
      }
    }
  }

  it('no transfer is lost or done twice, and no money is made', async () => {
    // The first process dies right after its tenth commit, before anybody has heard of it.
    ledger.start({ BITKA_CRASH_POINT: 'ledger/ledger.batch.committed@10' })
    const admin = openDb({ url: h.platform.database.adminUrl, schema: 'ledger', poolSize: 1 })
    const answers: string[] = []
    const client = async (n: number) => {
      for (let i = 0; i < 40; i += 1)
        answers.push(await insist((n + i) % 3, newId(), String(1 + ((n * 13 + i * 7) % 90))))
    }
    const clients = Promise.all(Array.from({ length: 6 }, (_, n) => client(n)))
    await waitFor(() => !ledger.isRunning, { timeoutMs: 90_000, what: 'the first process to die' })
    ledger.start()
    for (const goal of [60, 120]) {
      await waitFor(() => answers.length >= goal, { timeoutMs: 60_000, what: `${goal} answers` })
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ledger_app' and datname = current_database()`,
      )
      await waitFor(() => answers.length >= goal + 20, { timeoutMs: 60_000, what: `${goal + 20} answers` })
      await ledger.kill()
      ledger.start()
    }
    await clients
    await admin.close()
    const done = answers.filter((answer) => answer !== 'insufficient_funds')
    expect(new Set(done).size).toBe(done.length)
    const { rows } = await h.db.query<{ id: string }>(`select id from postings where kind = 'transfer' and amount < 0`)
    expect(rows.map(({ id }) => id).sort()).toEqual(done.sort())
    const total = await h.db.query<{ sum: string }>(
      `select sum(available + locked) from accounts where owner_kind = 'user' and asset = 'THB'`,
    )
    expect(total.rows[0]?.sum).toBe('150000')
    await h.checkBooks()
  })
})
