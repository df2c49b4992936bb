import { DomainError, newId, silentLogger } from '@bitka/kernel'
import { LedgerPostingService, LedgerService, TransactionType } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { RunningService } from '@bitka/service'
import { freePort } from '@bitka/testkit'
import { startLedger } from '../src/service.ts'
import { Harness, type Person } from './harness.ts'

/** Two processes of the ledger over one database: what gathers in one cannot know of the other. */
describe('two ledgers at once', () => {
  let h: Harness
  let second: RunningService
  let people: Person[]
  let accounts: string[]
  const clients: Harness['ledger'][] = []
  const postings: Harness['posting'][] = []

  beforeAll(async () => {
    h = await Harness.open()
    const port = await freePort()
    second = await startLedger(h.env({ BITKA_RPC_PORT: String(port) }), { log: silentLogger })
    clients.push(h.ledger, await h.platform.client(LedgerService, 'gateway', { service: 'ledger', port }))
    postings.push(h.posting, await h.platform.client(LedgerPostingService, 'order', { service: 'ledger', port }))
    people = await Promise.all(['ann', 'ben', 'cat', 'dan'].map((name) => h.person(name)))
    accounts = await Promise.all(people.map((person) => h.accountOf(person, 'THB')))
    for (const person of people) await h.credit(person, 'THB', '100')
  })
  afterAll(async () => {
    await second.stop()
    await h.close()
  })
  afterEach(() => h.checkBooks())

  const transfer = (n: number, from: number, to: number, amount: string, key?: string) =>
    clients[n % 2]!.createTransaction(
      {
        accountId: accounts[from]!,
        type: TransactionType.TRANSFER,
        amount,
        asset: 'THB',
        destinationAccountUsername: people[to]!.username,
      },
      // Long enough for two hundred at once on a busy machine.
      { ...people[from]!.as, ...(key ? { edge: { idempotencyKey: key } } : {}), deadlineMs: 30_000 },
    ).then(
      ({ transactionId }) => transactionId,
      (error: unknown) => (error instanceof DomainError ? error.kind : Promise.reject(error)),
    )

  it('answer one key once, however it is raced', async () => {
    for (let round = 0; round < 10; round += 1) {
      const key = newId()
      const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => transfer(n, 0, 1, '1', key)))
      expect(new Set(answers).size).toBe(1)
      expect(answers[0]).not.toBe('conflict')
      const clash = newId()
      const amounts = await Promise.all(
        Array.from({ length: 4 }, (_, n) => transfer(n, 1, 0, n < 2 ? '1' : '1.0', clash)),
      )
      expect(amounts.filter((answer) => answer === 'conflict')).toHaveLength(2)
    }
    expect(await h.balances(people[0]!)).toEqual({ THB: '100 + 0' })
  })

  it('answer one hold once, and a release beside it', async () => {
    for (let round = 0; round < 10; round += 1) {
      const holdId = newId()
      const item = {
        holdId,
        purpose: 1,
        userId: people[2]!.userId,
        asset: 'THB',
        receiveAsset: 'BTC',
        symbol: 'BTC-THB',
        amount: '100',
      }
      const held = (n: number) =>
        postings[n % 2]!.hold({ items: [item] }).then(({ results }) => results[0]?.error?.kind ?? 'ok')
      const released = postings[round % 2]!.release({ items: [{ holdId, purpose: 1 }] })
      const answers = await Promise.all([
        held(0),
        held(1),
        held(2),
        released.then(({ results }) => results[0]!.released),
      ])
      const sum = answers.at(-1) === '100' ? 'ok' : 'conflict'
      expect(answers.slice(0, 3)).toContain(sum)
    }
    expect(await h.balances(people[2]!)).toEqual({ THB: '100 + 0' })
  })

  it('answer one id once where no account is shared', async () => {
    const [ann, ben] = [people[0]!, people[1]!]
    await h.credit(ann, 'BTC', '1')
    const btc = await h.accountOf(ann, 'BTC')
    for (let round = 0; round < 20; round += 1) {
      const key = newId()
      const pay = (n: number, accountId: string, asset: string) =>
        clients[n]!.createTransaction(
          {
            accountId,
            asset,
            amount: '0.01',
            type: TransactionType.TRANSFER,
            destinationAccountUsername: ben.username,
          },
          { ...ann.as, edge: { idempotencyKey: key } },
        ).then(
          () => 'ok',
          (error: DomainError) => error.kind,
        )
      const paid = await Promise.all([pay(0, accounts[0]!, 'THB'), pay(1, btc, 'BTC')])
      expect(paid.sort()).toEqual(['conflict', 'ok'])
      const holdId = newId()
      const hold = (n: number) =>
        postings[n]!.hold({
          items: [
            {
              holdId,
              purpose: 1,
              userId: people[n]!.userId,
              asset: 'THB',
              receiveAsset: 'BTC',
              symbol: 'BTC-THB',
              amount: '1',
            },
          ],
        }).then(({ results }) => results[0]?.error?.kind ?? 'ok')
      const held = await Promise.all([hold(0), hold(1)])
      expect(held.sort()).toEqual(['conflict', 'ok'])
    }
  })

  it('reverse a transaction once', async () => {
    const transactionId = await transfer(0, 3, 2, '5')
    const reverse = (n: number) =>
      clients[n % 2]!.reverseTransaction({ transactionId }, h.treasury.as).then(
        () => 'ok',
        (error: DomainError) => error.kind,
      )
    const answers = await Promise.all([reverse(0), reverse(1), reverse(2), reverse(3)])
    expect(answers.sort()).toEqual(['conflict', 'conflict', 'conflict', 'ok'])
  })

  it('move money among few accounts in every direction, and none is made or lost', async () => {
    // No move takes more than 40, so each of the four pays at least 14 times (560 of 600) however the moves fall.
    for (const person of people) await h.credit(person, 'THB', '600')
    const total = async () =>
      (await h.db.query<{ sum: string }>(`select sum(available) from accounts where owner_kind = 'user'`)).rows[0]?.sum
    const before = await total()
    const moves = Array.from({ length: 200 }, (_, n) =>
      transfer(n, n % 4, (n + 1 + (n % 3)) % 4, String(1 + ((n * 7) % 40))),
    )
    const answers = await Promise.all(moves)
    expect(answers.filter((answer) => answer !== 'insufficient_funds' && answer.length !== 36)).toEqual([])
    expect(answers.filter((answer) => answer.length === 36).length).toBeGreaterThan(50)
    expect(await total()).toBe(before)
  })
})
