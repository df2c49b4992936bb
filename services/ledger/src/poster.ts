import { appendOutbox } from '@bitka/events'
import { assert, type Clock, crashPoint, DomainError, Gatherer, type Logger } from '@bitka/kernel'
import type { Audit, AuditInput } from '@bitka/service'
import type { Db, Tx } from '@bitka/store'
import type { BalanceHub } from './balances.ts'
import type { ItemResult } from './domain/batch.ts'
import type { BatchItem } from './domain/items.ts'
import { toOutbox } from './events/accounting.ts'
import { lostRace, type Posted, postBatch } from './store/post-batch.ts'

/** An item, and what the audit log is to say about its outcome. */
export type PostItem = BatchItem & { audit?: (result: ItemResult) => AuditInput }

export type PosterOptions = {
  db: Db
  clock: Clock
  log: Logger
  audit: Audit
  balances: BalanceHub
  gather: { windowMs: number; maxItems: number; maxQueue: number }
}

/** Two batches that decide the same id at once meet at most once per id; more tries than this mean something else is wrong. */
const RACES_MAX = 5
/** One batch decides while the one before it is made durable. */
const CONCURRENCY = 2

/** Gathers the postings of concurrent requests, so that they share the statements and the commit of one batch. */
export class Poster {
  private readonly gatherer: Gatherer<readonly PostItem[], ItemResult[]>

  constructor(private readonly options: PosterOptions) {
    this.gatherer = new Gatherer({ ...options.gather, concurrency: CONCURRENCY, run: (units) => this.run(units) })
  }

  async post(item: PostItem): Promise<ItemResult> {
    const [result] = await this.gatherer.add([item])
    assert(result, 'an item has a result')
    return result
  }

  /** Items that succeed or fail together. */
  postLinked(items: readonly PostItem[]): Promise<ItemResult[]> {
    return this.gatherer.add(items.map((item, index) => ({ ...item, linked: index < items.length - 1 })))
  }

  drain(): Promise<void> {
    return this.gatherer.drain()
  }

  private async run(units: (readonly PostItem[])[]): Promise<ItemResult[][]> {
    try {
      const results = await this.commit(units.flat())
      let from = 0
      return units.map((unit) => {
        from += unit.length
        return results.slice(from - unit.length, from)
      })
    } catch (error) {
      if (units.length === 1 || error instanceof DomainError) throw error
      // A fault of ours in one item must not fail its neighbours: each by itself, and only that one fails again.
      this.options.log.error({ err: error, items: units.length }, 'a batch failed; its items are posted one by one')
      return this.oneByOne(units)
    }
  }

  private async oneByOne(units: (readonly PostItem[])[]): Promise<ItemResult[][]> {
    const results: ItemResult[][] = []
    for (const unit of units) {
      const failed = (error: unknown): ItemResult[] => {
        this.options.log.error({ err: error }, 'an item could not be posted')
        const refusal = { kind: 'internal', message: 'Something went wrong on our side.' } as const
        return unit.map(() => ({ ok: false, refusal, replayed: false }))
      }
      results.push(await this.commit(unit).catch(failed))
    }
    return results
  }

  private async commit(items: readonly PostItem[]): Promise<ItemResult[]> {
    for (let race = 1; ; race += 1) {
      try {
        const results = await this.options.db.transaction(async (tx) => {
          const posted = await postBatch(tx, items, this.options.clock)
          await announce(tx, posted, this.options)
          await this.writeAudit(tx, items, posted.results)
          return posted.results
        })
        if (items.some(({ op }) => op.type === 'hold')) crashPoint('ledger.hold.committed', 'ledger')
        crashPoint('ledger.batch.committed', 'ledger')
        return results
      } catch (error) {
        if (race === RACES_MAX || !lostRace(error)) throw error
      }
    }
  }

  private async writeAudit(tx: Tx, items: readonly PostItem[], results: readonly ItemResult[]): Promise<void> {
    const inputs = items.flatMap((item, index) => {
      const result = results[index]
      // A repeat does nothing, so there is nothing new to tell.
      return item.audit && result && !result.replayed ? item.audit(result) : []
    })
    if (inputs.length > 0) await this.options.audit(tx, inputs)
  }
}

/** Tells others what a batch did: events with its commit, streams right after it. */
export async function announce(tx: Tx, posted: Posted, { balances }: Pick<PosterOptions, 'balances'>): Promise<void> {
  const decimals = (asset: string): number => {
    const found = posted.assets.get(asset)
    assert(found, `asset ${asset} of a posted account was loaded`)
    return found.decimals
  }
  await appendOutbox(
    tx,
    posted.written.events.map((event) => toOutbox(event, decimals(event.asset))),
  )
  tx.afterCommit(() => {
    for (const { id, owner, asset, available, locked, version } of posted.written.accounts) {
      if (owner.kind !== 'user') continue
      balances.publish(owner.id, { accountId: id, asset, decimals: decimals(asset), available, locked, version })
    }
  })
}
