import { DomainError, silentLogger } from '@bitka/kernel'
import { createServer, implement, type MeshServer, type ServicePolicy, WorkloadIdentity } from '@bitka/mesh'
import { type HoldItem, LedgerPostingService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { TestPlatform } from '@bitka/testkit'

type Held = { userId: string; asset: string; amount: bigint; released: boolean }

const policy: ServicePolicy<typeof LedgerPostingService> = {
  hold: { kind: 'internal', callers: ['order'] },
  release: { kind: 'internal', callers: ['order'] },
  batchGetAssets: { kind: 'internal', callers: ['order'] },
  getSettlementStatus: { kind: 'internal', callers: ['order'] },
}

const refusal = (kind: string, message: string) => ({ error: { kind, message, details: [] } })

/** A ledger in memory behind the real mesh: its rules for holds, no SQL, no settlement. */
export class FakeLedger {
  readonly holds = new Map<string, Held>()
  /** Every Hold call: the ids it was about. */
  readonly calls: string[][] = []
  readonly items: HoldItem[] = []
  /** How the next Hold calls break: before they did anything, or after. */
  breaks: 'before' | 'after' | undefined
  /** Hold calls wait for this before they do anything. */
  gate: Promise<void> = Promise.resolve()
  /** Partitions whose settlement is behind or stopped. */
  readonly settlement = new Map<number, { lagMs: bigint; stopped: boolean }>()
  readonly assets = new Map([
    ['BTC', 8],
    ['THB', 2],
    ['ETH', 18],
  ])
  private readonly funds = new Map<string, bigint>()
  private constructor(
    private readonly server: MeshServer,
    private readonly identity: WorkloadIdentity,
  ) {}

  static async start(platform: TestPlatform): Promise<FakeLedger> {
    const identity = WorkloadIdentity.connect({ socketPath: platform.ca.socketPath('ledger'), log: silentLogger })
    let ledger: FakeLedger
    const service = implement(
      LedgerPostingService,
      {
        hold: async ({ items }) => ({ results: await ledger.hold(items) }),
        release: async ({ items }) => ({ results: items.map(({ holdId }) => ledger.release(holdId)) }),
        batchGetAssets: async ({ symbols }) => ({ assets: ledger.assetsOf(symbols) }),
        getSettlementStatus: async () => ({ partitions: ledger.settled() }),
      },
      policy,
    )
    const server = createServer({ identity, log: silentLogger, port: 0, host: 'localhost', services: [service] })
    ledger = new FakeLedger(server, identity)
    await server.start()
    platform.at('ledger', server.port)
    return ledger
  }

  /** Gives a user funds, in minor units. */
  fund(userId: string, asset: string, amount: bigint): void {
    const at = `${userId} ${asset}`
    this.funds.set(at, (this.funds.get(at) ?? 0n) + amount)
  }

  /** What is held for an order now. */
  heldFor(orderId: string): bigint {
    const held = this.holds.get(orderId)
    return held && !held.released ? held.amount : 0n
  }

  async stop(): Promise<void> {
    await this.server.drain(500)
    this.identity.close()
  }

  private async hold(items: HoldItem[]) {
    this.calls.push(items.map(({ holdId }) => holdId))
    this.items.push(...items)
    await this.gate
    if (this.breaks === 'before') throw new DomainError('unavailable', 'The ledger is away.')
    const results = items.map((item) => this.holdOne(item))
    if (this.breaks === 'after') throw new DomainError('unavailable', 'The ledger went away.')
    return results
  }

  private holdOne(item: HoldItem) {
    const before = this.holds.get(item.holdId)
    if (before) return before.released ? refusal('conflict', 'It was released.') : {}
    const amount = BigInt(item.amount)
    const used = [...this.holds.values()]
      .filter(({ userId, asset, released }) => userId === item.userId && asset === item.asset && !released)
      .reduce((sum, held) => sum + held.amount, 0n)
    if (used + amount > (this.funds.get(`${item.userId} ${item.asset}`) ?? 0n)) {
      return refusal('insufficient_funds', 'The balance does not cover this order.')
    }
    this.holds.set(item.holdId, { userId: item.userId, asset: item.asset, amount, released: false })
    return {}
  }

  private release(holdId: string) {
    const held = this.holds.get(holdId)
    const released = held && !held.released ? held.amount : 0n
    // An unknown one leaves a tombstone: a late Hold is refused.
    this.holds.set(holdId, { userId: '', asset: '', amount: 0n, ...held, released: true })
    return { released: String(released) }
  }

  private assetsOf(symbols: readonly string[]) {
    return [...this.assets]
      .filter(([symbol]) => symbols.length === 0 || symbols.includes(symbol))
      .map(([symbol, decimals]) => ({ symbol, name: symbol, decimals, isActive: true }))
  }

  private settled() {
    return [0, 1, 2, 3].map((partition) => ({
      partition,
      lagMs: 0n,
      stopped: false,
      ...this.settlement.get(partition),
    }))
  }
}
