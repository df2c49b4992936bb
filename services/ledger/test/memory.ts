import { applyBatch, type ItemResult } from '../src/domain/batch.ts'
import type { LedgerEvent, Loaded, NewHoldChange, NewPosting, NewTransaction, Written } from '../src/domain/book.ts'
import type { BatchItem } from '../src/domain/items.ts'
import {
  type Account,
  type Asset,
  answerKeyText,
  type Hold,
  type Owner,
  ownerKey,
  type Position,
  type StoredAnswer,
  type StoredTransaction,
  system,
  systemNames,
  user,
} from '../src/domain/model.ts'
import { accountNeeds, type HoldFacts } from '../src/domain/needs.ts'

/** The rows of the ledger in memory, so that the pure batch can be run over and over as the store would run it. */
export class MemoryLedger {
  readonly accounts = new Map<string, Account>()
  readonly assets = new Map<string, Asset>()
  readonly holds = new Map<string, Hold>()
  readonly positions = new Map<string, Position>()
  readonly answers = new Map<string, StoredAnswer>()
  readonly transactions: NewTransaction[] = []
  readonly postings: NewPosting[] = []
  readonly holdChanges: NewHoldChange[] = []
  readonly events: LedgerEvent[] = []
  private ids = 0

  addAsset(symbol: string, decimals = 2, isActive = true): void {
    this.assets.set(symbol, { symbol, decimals, isActive })
    for (const name of systemNames) this.open(system(name), symbol)
  }

  open(owner: Owner, asset: string): Account {
    const key = ownerKey(owner, asset)
    const account: Account = {
      id: key,
      owner,
      asset,
      frozen: false,
      available: 0n,
      locked: 0n,
      postingCount: 0n,
      version: 0n,
    }
    const found = this.accounts.get(key) ?? account
    this.accounts.set(key, found)
    return found
  }

  account(userId: string, asset: string): Account {
    return this.open(user(userId), asset)
  }

  run(...items: BatchItem[]): ItemResult[] {
    const { results, written } = applyBatch(items, this.load(items), () => `id-${++this.ids}`)
    this.store(written)
    return results
  }

  private load(items: readonly BatchItem[]): Loaded {
    const facts = new Map<string, HoldFacts>()
    for (const [id, hold] of this.holds) {
      if (hold.state === 'placed') facts.set(id, { accountId: hold.accountId, ...hold.content })
    }
    const reversible = new Map<string, StoredTransaction>()
    for (const { op } of items) {
      const found = op.type === 'reverse' && this.transactionOf(op.postingId)
      if (found) reversible.set(op.postingId, found)
    }
    const reversed = new Map([...reversible].map(([id, { postings }]) => [id, postings.map((p) => p.accountId)]))
    const needs = accountNeeds(items, facts, reversed)
    const ids = new Set(needs.ids)
    for (const { owner, asset, create } of needs.owned) {
      if (create) this.open(owner, asset)
      ids.add(ownerKey(owner, asset))
    }
    for (const { op } of items) {
      if (op.type !== 'settle' || this.positions.has(op.symbol)) continue
      this.positions.set(op.symbol, { symbol: op.symbol, commandSeq: 0n, resultNumber: 0n, partition: op.partition })
    }
    return {
      accounts: [...ids].flatMap((id) => this.accounts.get(id) ?? []).map((account) => ({ ...account })),
      assets: [...this.assets.values()],
      holds: [...this.holds.values()].map((hold) => ({ ...hold })),
      positions: [...this.positions.values()].map((position) => ({ ...position })),
      answers: [...this.answers.values()],
      reversible,
    }
  }

  private transactionOf(postingId: string): StoredTransaction | undefined {
    const txId = this.postings.find(({ id }) => id === postingId)?.txId
    const transaction = this.transactions.find(({ id }) => id === txId)
    return (
      transaction && {
        id: transaction.id,
        kind: transaction.kind,
        reversed: this.transactions.some(({ reversesTxId }) => reversesTxId === transaction.id),
        postings: this.postings.filter((posting) => posting.txId === txId),
      }
    )
  }

  private store(written: Written): void {
    for (const account of written.accounts) this.accounts.set(account.id, account)
    for (const hold of written.holds) {
      this.holds.set(
        hold.id,
        hold.state === 'placed' ? { ...hold, remaining: 0n, changeCount: 0, released: false } : hold,
      )
    }
    for (const { holdId, remainingAfter, number, cause } of written.holdChanges) {
      const hold = this.holds.get(holdId)
      if (hold?.state !== 'placed') throw new Error('a change of a hold that was not placed')
      if (number !== hold.changeCount + 1) throw new Error('the changes of a hold have a gap')
      hold.remaining = remainingAfter
      hold.changeCount = number
      hold.released = cause === 'release'
    }
    for (const position of written.positions) this.positions.set(position.symbol, position)
    for (const answer of written.answers) this.answers.set(answerKeyText(answer), answer)
    this.transactions.push(...written.transactions)
    this.postings.push(...written.postings)
    this.holdChanges.push(...written.holdChanges)
    this.events.push(...written.events)
  }
}
