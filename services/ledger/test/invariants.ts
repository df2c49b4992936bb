import type { MemoryLedger } from './memory.ts'

/** What must hold after any batch, derived again from the rows that are only ever added. */
export function checkInvariants(ledger: MemoryLedger): void {
  const perAsset = new Map<string, bigint>()
  const perTransaction = new Map<string, bigint>()
  const last = new Map<string, { number: bigint; balance: bigint }>()
  for (const { txId, accountId, number, amount, balanceAfter } of ledger.postings) {
    const { asset } = ledger.accounts.get(accountId)!
    perAsset.set(asset, (perAsset.get(asset) ?? 0n) + amount)
    const side = `${txId} ${asset}`
    perTransaction.set(side, (perTransaction.get(side) ?? 0n) + amount)
    const before = last.get(accountId) ?? { number: 0n, balance: 0n }
    expect(number).toBe(before.number + 1n)
    expect(balanceAfter).toBe(before.balance + amount)
    last.set(accountId, { number, balance: balanceAfter })
  }
  for (const sum of [...perAsset.values(), ...perTransaction.values()]) expect(sum).toBe(0n)
  const locked = new Map<string, bigint>()
  for (const hold of ledger.holds.values()) {
    if (hold.state === 'placed') locked.set(hold.accountId, (locked.get(hold.accountId) ?? 0n) + hold.remaining)
  }
  for (const { id, owner, available, locked: kept, postingCount } of ledger.accounts.values()) {
    expect(available + kept).toBe(last.get(id)?.balance ?? 0n)
    expect(kept).toBe(locked.get(id) ?? 0n)
    expect(postingCount).toBe(last.get(id)?.number ?? 0n)
    if (owner.kind === 'user' || owner.id !== 'external') expect(available >= 0n && kept >= 0n).toBe(true)
  }
}
