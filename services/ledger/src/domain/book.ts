import { assert } from '@bitka/kernel'
import {
  type Account,
  type Asset,
  answerKeyText,
  type Hold,
  type HoldContent,
  type HoldPurpose,
  type Note,
  type Owner,
  ownerKey,
  type PlacedHold,
  type Position,
  type PostingKind,
  type Refusal,
  type StoredAnswer,
  type StoredTransaction,
  type TransactionKind,
} from './model.ts'

/** What a batch needs from the database, the accounts locked. */
export type Loaded = {
  accounts: Account[]
  assets: Asset[]
  holds: Hold[]
  positions: Position[]
  answers: StoredAnswer[]
  /** By the id of the side that a reversal names. */
  reversible: Map<string, StoredTransaction>
}

export type NewTransaction = {
  id: string
  kind: TransactionKind
  note: Note
  reversesTxId?: string
  symbol?: string
  resultNumber?: bigint
}

export type NewPosting = {
  id: string
  txId: string
  accountId: string
  number: bigint
  kind: PostingKind
  amount: bigint
  balanceAfter: bigint
  /** The other user's side of a transfer, or the side that a reversal undoes. */
  relatedId?: string
}

export type NewHold =
  | { id: string; state: 'placed'; content: HoldContent; accountId: string }
  | { id: string; state: 'refused'; content: HoldContent; refusal: Refusal }
  | { id: string; state: 'tombstone'; purpose: HoldPurpose }

export type HoldCause = 'hold' | 'release' | 'trade' | 'reduce' | 'close' | 'reject'

export type NewHoldChange = {
  holdId: string
  number: number
  accountId: string
  delta: bigint
  remainingAfter: bigint
  cause: HoldCause
  txId?: string
}

/** What others are told about money that moved. */
export type LedgerEvent = {
  type: 'deposited' | 'withdrawn' | 'transferred'
  postingId: string
  accountId: string
  userId: string
  toUserId?: string
  asset: string
  amount: bigint
  description?: string
}

/** The rows of a batch, written set-based in one commit. */
export type Written = {
  accounts: Account[]
  transactions: NewTransaction[]
  postings: NewPosting[]
  holds: NewHold[]
  holdChanges: NewHoldChange[]
  positions: Position[]
  answers: StoredAnswer[]
  events: LedgerEvent[]
}

type Lists = Omit<Written, 'accounts' | 'positions'>

/**
 * The accounts and holds of one batch in memory, changed item by item, so that a batch gives the results of its items one
 * after the other. Every change goes through here and can be taken back while a chain of linked items is open.
 */
export class Book {
  private readonly accounts = new Map<string, Account>()
  private readonly byOwner = new Map<string, Account>()
  private readonly assets: Map<string, Asset>
  private readonly holds: Map<string, Hold>
  private readonly positions: Map<string, Position>
  private readonly answers: Map<string, StoredAnswer>
  private readonly reversible: Map<string, StoredTransaction>
  private readonly reversedHere = new Set<string>()
  /** Total of each changed account before the batch, to prove at the end that only postings changed it. */
  private readonly totalBefore = new Map<string, bigint>()
  private readonly movedPositions = new Set<Position>()
  private readonly lists: Lists = {
    transactions: [],
    postings: [],
    holds: [],
    holdChanges: [],
    answers: [],
    events: [],
  }
  private undo: (() => void)[] | undefined

  constructor(
    loaded: Loaded,
    private readonly newId: () => string,
  ) {
    for (const account of loaded.accounts) {
      this.accounts.set(account.id, account)
      this.byOwner.set(ownerKey(account.owner, account.asset), account)
    }
    this.assets = new Map(loaded.assets.map((asset) => [asset.symbol, asset]))
    this.holds = new Map(loaded.holds.map((hold) => [hold.id, hold]))
    this.positions = new Map(loaded.positions.map((position) => [position.symbol, position]))
    this.answers = new Map(loaded.answers.map((answer) => [answerKeyText(answer), answer]))
    this.reversible = loaded.reversible
  }

  accountById(id: string): Account | undefined {
    return this.accounts.get(id)
  }
  accountOf(owner: Owner, asset: string): Account | undefined {
    return this.byOwner.get(ownerKey(owner, asset))
  }
  /** For an account that loading has seen to. */
  need(owner: Owner, asset: string): Account {
    const account = this.accountOf(owner, asset)
    assert(account, `the account ${ownerKey(owner, asset)} was not loaded`)
    return account
  }
  asset(symbol: string): Asset | undefined {
    return this.assets.get(symbol)
  }
  hold(id: string): Hold | undefined {
    return this.holds.get(id)
  }
  position(symbol: string): Position | undefined {
    return this.positions.get(symbol)
  }
  answer(key: Parameters<typeof answerKeyText>[0]): StoredAnswer | undefined {
    return this.answers.get(answerKeyText(key))
  }
  stored(postingId: string): StoredTransaction | undefined {
    return this.reversible.get(postingId)
  }
  isReversed({ id, reversed }: StoredTransaction): boolean {
    return reversed || this.reversedHere.has(id)
  }

  /** From here on every change can be taken back. */
  openChain(): void {
    this.undo = []
    const { lists, undo } = this
    const names = Object.keys(lists) as (keyof Lists)[]
    const lengths = names.map((name) => lists[name].length)
    undo.push(() => {
      names.forEach((name, index) => {
        lists[name].length = lengths[index] ?? 0
      })
    })
  }
  keepChain(): void {
    this.undo = undefined
  }
  undoChain(): void {
    for (const step of this.undo?.reverse() ?? []) step()
    this.undo = undefined
  }

  /** What an open chain needs to take the next change of it back. */
  private keepCopy(changing: object): void {
    if (!this.undo) return
    const before = { ...changing }
    this.undo.push(() => Object.assign(changing, before))
  }

  /** Moves an account's balances. Only `external` and `custody_pending` may go below zero: the others' owners have no debts. */
  change(account: Account, available: bigint, locked: bigint): void {
    this.keepCopy(account)
    if (!this.totalBefore.has(account.id)) this.totalBefore.set(account.id, account.available + account.locked)
    account.available += available
    account.locked += locked
    account.version += 1n
    const mayOwe =
      account.owner.kind === 'system' && (account.owner.id === 'external' || account.owner.id === 'custody_pending')
    assert(mayOwe || (account.available >= 0n && account.locked >= 0n), `account ${account.id} would fall below zero`)
  }

  /** Begins a transaction; `post` adds its sides and `balanced` closes it. */
  begin(transaction: Omit<NewTransaction, 'id'>): string {
    const id = this.newId()
    this.lists.transactions.push({ id, ...transaction })
    const reversed = transaction.reversesTxId
    if (reversed !== undefined) {
      this.reversedHere.add(reversed)
      this.undo?.push(() => this.reversedHere.delete(reversed))
    }
    return id
  }

  /** A side of a transaction, after its account was changed. A side of nothing is left out. */
  post(txId: string, account: Account, kind: PostingKind, amount: bigint, relatedId?: string): NewPosting {
    const posting: NewPosting = {
      id: this.newId(),
      txId,
      accountId: account.id,
      number: account.postingCount + 1n,
      kind,
      amount,
      balanceAfter: account.available + account.locked,
      relatedId,
    }
    if (amount === 0n) return posting
    account.postingCount += 1n
    this.lists.postings.push(posting)
    this.undo?.push(() => {
      account.postingCount -= 1n
    })
    return posting
  }

  /** Asserts that the sides of a transaction, which are the last postings, sum to zero per asset. */
  balanced(txId: string): void {
    const sums = new Map<string, bigint>()
    for (let index = this.lists.postings.length - 1; index >= 0; index -= 1) {
      const posting = this.lists.postings[index]
      if (posting?.txId !== txId) break
      const asset = this.accounts.get(posting.accountId)?.asset ?? ''
      sums.set(asset, (sums.get(asset) ?? 0n) + posting.amount)
    }
    for (const [asset, sum] of sums) assert(sum === 0n, `transaction ${txId} does not sum to zero in ${asset}`)
  }

  place(hold: NewHold, placed?: Account): void {
    this.lists.holds.push(hold)
    const state: Hold = hold.state === 'placed' ? { ...hold, remaining: 0n, changeCount: 0, released: false } : hold
    this.holds.set(hold.id, state)
    this.undo?.push(() => this.holds.delete(hold.id))
    if (hold.state === 'placed' && state.state === 'placed' && placed) this.setHold(state, hold.content.amount, 'hold')
  }

  /**
   * Changes what a hold has left, and `paid` of the difference leaves the account; the rest returns to `available`.
   * Answers by how much the hold shrank.
   */
  setHold(
    hold: PlacedHold,
    remaining: bigint,
    cause: HoldCause,
    options: { paid?: bigint; txId?: string } = {},
  ): bigint {
    const shrink = hold.remaining - remaining
    const account = this.accounts.get(hold.accountId)
    assert(account, `the account of hold ${hold.id} was not loaded`)
    assert(remaining >= 0n, `hold ${hold.id} would fall below zero`)
    if (shrink === 0n && cause !== 'hold') return 0n
    this.change(account, shrink - (options.paid ?? 0n), -shrink)
    this.keepCopy(hold)
    hold.remaining = remaining
    hold.changeCount += 1
    if (cause === 'release') hold.released = true
    this.lists.holdChanges.push({
      holdId: hold.id,
      number: hold.changeCount,
      accountId: hold.accountId,
      delta: -shrink,
      remainingAfter: remaining,
      cause,
      txId: options.txId,
    })
    return shrink
  }

  advance(position: Position, to: Omit<Position, 'symbol'>): void {
    this.keepCopy(position)
    Object.assign(position, to)
    this.movedPositions.add(position)
  }

  announce(event: LedgerEvent): void {
    this.lists.events.push(event)
  }

  remember(answer: StoredAnswer): void {
    const text = answerKeyText(answer)
    this.answers.set(text, answer)
    this.lists.answers.push(answer)
    this.undo?.push(() => this.answers.delete(text))
  }

  /** The rows to write. Asserts that nothing but postings changed what the accounts hold in total. */
  finish(): Written {
    assert(this.undo === undefined, 'a chain is still open')
    const sums = new Map<string, bigint>()
    for (const { accountId, amount } of this.lists.postings) sums.set(accountId, (sums.get(accountId) ?? 0n) + amount)
    const accounts: Account[] = []
    for (const [id, before] of this.totalBefore) {
      const account = this.accounts.get(id)
      assert(account, 'a changed account was loaded')
      const total = account.available + account.locked
      assert(total === before + (sums.get(id) ?? 0n), `account ${id} changed by something else than its postings`)
      accounts.push(account)
    }
    return { ...this.lists, accounts, positions: [...this.movedPositions] }
  }
}
