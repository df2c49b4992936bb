import type { BatchItem, Op } from '../src/domain/items.ts'

/**
 * The ledger written a second time, as simply as can be: plain objects, one item after the other, a copy of everything to
 * go back to. Shares only the types of the items with the real one.
 */
type State = {
  available: Record<string, bigint>
  locked: Record<string, bigint>
  /** account, amount, balance after, kind, transaction. */
  postings: { account: string; amount: bigint; after: bigint; kind: string; tx: number }[]
  holds: Record<
    string,
    { kind: string; content: string; account: string; left: bigint; answer: string; receive: string }
  >
  answers: Record<string, { hash: string; answer: string }>
  settled: Record<string, bigint>
  /** Transactions: what they were, and whether they are undone. */
  txs: { kind: string; undone: boolean }[]
}

const DECIDED = ['conflict', 'insufficient_funds', 'not_found']

export class Model {
  state: State = { available: {}, locked: {}, postings: [], holds: {}, answers: {}, settled: {}, txs: [] }

  /** Balances before a chain of linked items, and what its items answered so far. */
  private chain: { before: State; items: BatchItem[]; answers: string[] } | undefined

  /** Answers "ok", "ok <released>" or the kind of the refusal; for a chain, of all its items when it ends. */
  apply(item: BatchItem): string[] {
    if (!item.linked && !this.chain) return [this.one(item)]
    this.chain ??= { before: structuredClone(this.state), items: [], answers: [] }
    const { chain } = this
    const broken = chain.answers.some((answer) => !answer.startsWith('ok'))
    chain.items.push(item)
    if (!broken) chain.answers.push(this.one(item))
    if (item.linked) return []
    this.chain = undefined
    return this.endChain(chain.before, chain.items, chain.answers)
  }

  private endChain(before: State, items: BatchItem[], answers: string[]): string[] {
    const failure = answers.find((answer) => !answer.startsWith('ok'))
    if (failure === undefined) return answers
    this.state = before
    return items.map((item, index) => {
      const own = answers[index]
      const isKnown = this.known(item)
      if (isKnown !== undefined) return isKnown
      const answer =
        own === failure && index === answers.length - 1
          ? failure
          : DECIDED.includes(failure)
            ? 'conflict'
            : 'unavailable'
      if (DECIDED.includes(answer)) this.keepRefusal(item, answer)
      return answer
    })
  }

  private known({ op, key }: BatchItem): string | undefined {
    const stored = key && this.state.answers[`${key.userId} ${key.key}`]
    if (stored && key) return stored.hash === String(key.requestHash) ? stored.answer : 'conflict'
    return op.type === 'hold' && this.state.holds[op.holdId] ? this.hold(op) : undefined
  }

  private keepRefusal({ op, key }: BatchItem, answer: string): void {
    if (key) this.state.answers[`${key.userId} ${key.key}`] = { hash: String(key.requestHash), answer }
    if (op.type !== 'hold' || this.state.holds[op.holdId]) return
    this.state.holds[op.holdId] = {
      kind: 'refused',
      content: show(op.content),
      account: '',
      left: 0n,
      answer,
      receive: '',
    }
  }

  private one(item: BatchItem): string {
    const known = item.key && this.known(item)
    if (known !== undefined) return known
    const answer = this.decide(item.op)
    if (answer.startsWith('ok') && item.key) {
      this.state.answers[`${item.key.userId} ${item.key.key}`] = { hash: String(item.key.requestHash), answer }
    }
    if (DECIDED.includes(answer)) this.keepRefusal(item, answer)
    return answer
  }

  private decide(op: Op): string {
    if (op.type === 'hold') return this.hold(op)
    if (op.type === 'release') return this.release(op.holdId)
    if (op.type === 'transfer') return this.move('transfer', op.accountId, `user/${op.toUserId}/${op.asset}`, op.amount)
    if (op.type === 'adjust') {
      const external = `system/external/${op.asset}`
      if (op.direction === 'debit') return this.move('adjustment', op.accountId, external, op.amount)
      if (this.total(external) - op.amount < -(10n ** 36n)) return 'conflict'
      return this.move('adjustment', external, op.accountId, op.amount, true)
    }
    if (op.type === 'reverse') return this.reverse(Number(op.postingId))
    if (op.type === 'settle') for (const result of op.results) this.settle(op.symbol, result)
    return 'ok'
  }

  private hold({ holdId, content }: Extract<Op, { type: 'hold' }>): string {
    const known = this.state.holds[holdId]
    if (known) {
      if (known.kind === 'tombstone' || known.kind === 'released') return 'conflict'
      return known.content === show(content) ? known.answer : 'conflict'
    }
    const account = `user/${content.userId}/${content.asset}`
    if ((this.state.available[account] ?? 0n) < content.amount) return 'insufficient_funds'
    this.add(this.state.available, account, -content.amount)
    this.add(this.state.locked, account, content.amount)
    const receive = `user/${content.userId}/${content.receiveAsset}`
    this.state.holds[holdId] = {
      kind: 'placed',
      content: show(content),
      account,
      left: content.amount,
      answer: 'ok',
      receive,
    }
    return 'ok'
  }

  private release(holdId: string): string {
    const known = this.state.holds[holdId]
    if (!known) {
      this.state.holds[holdId] = { kind: 'tombstone', content: '', account: '', left: 0n, answer: '', receive: '' }
      return 'ok 0'
    }
    const { left } = known
    this.shrink(holdId, 0n, 0n)
    if (known.kind === 'placed' && left > 0n) known.kind = 'released'
    return `ok ${left}`
  }

  /** Lets a hold have `after` left; `paid` of what it loses leaves the account. */
  private shrink(holdId: string, after: bigint, paid: bigint): void {
    const hold = this.state.holds[holdId]
    if (hold?.kind !== 'placed') return
    const less = hold.left - after
    hold.left = after
    this.add(this.state.locked, hold.account, -less)
    this.add(this.state.available, hold.account, less - paid)
  }

  private move(kind: string, from: string, to: string, amount: bigint, mayOwe = false): string {
    if (!mayOwe && (this.state.available[from] ?? 0n) < amount) return 'insufficient_funds'
    const tx = this.state.txs.push({ kind, undone: false }) - 1
    this.add(this.state.available, from, -amount)
    this.add(this.state.available, to, amount)
    // The named side comes first.
    const sides: [string, bigint][] = mayOwe
      ? [
          [to, amount],
          [from, -amount],
        ]
      : [
          [from, -amount],
          [to, amount],
        ]
    for (const [account, change] of sides) this.post(tx, account, change, kind)
    return 'ok'
  }

  private reverse(posting: number): string {
    const named = this.state.postings[posting]
    if (!named) return 'not_found'
    const tx = this.state.txs[named.tx]!
    if (tx.kind === 'trade' || tx.kind === 'reversal' || tx.undone) return 'conflict'
    const sides = this.state.postings.filter((side) => side.tx === named.tx)
    for (const { account, amount } of sides) {
      if (account.startsWith('user') && (this.state.available[account] ?? 0n) < amount) return 'insufficient_funds'
    }
    tx.undone = true
    const undo = this.state.txs.push({ kind: 'reversal', undone: false }) - 1
    for (const { account, amount } of sides) {
      this.add(this.state.available, account, -amount)
      this.post(undo, account, -amount, 'reversal')
    }
    return 'ok'
  }

  private settle(symbol: string, result: Extract<Op, { type: 'settle' }>['results'][number]): void {
    const due = (this.state.settled[symbol] ?? 0n) + 1n
    if (result.number < due) return
    if (result.number > due) throw new Error('gap')
    this.state.settled[symbol] = due
    if (result.type === 'reduced') this.shrink(result.orderId, result.holdAfter, 0n)
    if (result.type === 'closed' || result.type === 'rejected') this.shrink(result.orderId, 0n, 0n)
    if (result.type !== 'trade') return
    const { buyer, seller, baseAmount } = result
    const [bought, sold] = [this.state.holds[buyer.orderId]!, this.state.holds[seller.orderId]!]
    const tx = this.state.txs.push({ kind: 'trade', undone: false }) - 1
    this.shrink(buyer.orderId, buyer.holdAfter, buyer.quoteAmount)
    this.post(tx, bought.account, -buyer.quoteAmount, 'trade')
    this.shrink(seller.orderId, seller.holdAfter, baseAmount)
    this.post(tx, sold.account, -baseAmount, 'trade')
    for (const [account, amount, fee] of [
      [bought.receive, baseAmount, buyer.fee],
      [sold.receive, seller.quoteAmount, seller.fee],
    ] as const) {
      this.give(tx, account, amount, 'trade')
      this.give(tx, account, -fee, 'fee')
      this.give(tx, `system/fees/${account.split('/')[2]}`, fee, 'fee')
    }
    this.give(tx, `system/rounding/${bought.account.split('/')[2]}`, buyer.quoteAmount - seller.quoteAmount, 'trade')
  }

  private give(tx: number, account: string, amount: bigint, kind: string): void {
    this.add(this.state.available, account, amount)
    this.post(tx, account, amount, kind)
  }

  private post(tx: number, account: string, amount: bigint, kind: string): void {
    if (amount === 0n) return
    const before = this.state.postings.filter((posting) => posting.account === account).at(-1)?.after ?? 0n
    this.state.postings.push({ account, amount, after: before + amount, kind, tx })
  }

  private add(balances: Record<string, bigint>, account: string, amount: bigint): void {
    balances[account] = (balances[account] ?? 0n) + amount
  }

  total(account: string): bigint {
    return (this.state.available[account] ?? 0n) + (this.state.locked[account] ?? 0n)
  }
}

const show = (content: object): string =>
  JSON.stringify(content, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
