import { type Clock, DomainError, newId } from '@bitka/kernel'
import { breaks, type Tx } from '@bitka/store'
import { applyBatch, type ItemResult } from '../domain/batch.ts'
import type { Loaded, Written } from '../domain/book.ts'
import type { BatchItem } from '../domain/items.ts'
import type { Asset } from '../domain/model.ts'
import { accountNeeds, assetsOf, holdIds, holdIdsBefore, settledMarkets, shownMarkets } from '../domain/needs.ts'
import { lockAccounts, updateAccounts } from './accounts.ts'
import { insertAnswers, selectAnswers } from './answers.ts'
import { selectAssets } from './assets.ts'
import { holdFacts, insertHoldChanges, insertHolds, selectHolds } from './holds.ts'
import { lockPositions, selectPositions, updatePositions } from './positions.ts'
import { insertPostings, insertTransactions, reversedAmong, transactionsBySide } from './transactions.ts'

/** Somebody else decided about the same id at the same moment. The batch begins again and finds their answer. */
class BatchRaceError extends DomainError {
  constructor() {
    super('unavailable', 'The ledger is busy. Try again shortly.')
  }
}

/** True when running the batch once more will find what another one has just written. */
export const lostRace = (error: unknown): boolean =>
  error instanceof BatchRaceError ||
  breaks(error, 'holds_pkey') ||
  breaks(error, 'idempotency_pkey') ||
  breaks(error, 'transactions_reverses_tx_id_key')

export type Posted = { results: ItemResult[]; written: Written; assets: ReadonlyMap<string, Asset> }

/** The ledger's one way to change a balance: loads what the items need, lets the domain decide, writes the rows. */
export async function postBatch(tx: Tx, items: readonly BatchItem[], clock: Clock): Promise<Posted> {
  const loaded = await load(tx, items, clock.now())
  const { results, written } = applyBatch(items, loaded, newId)
  // Asked under the locks, so that in an account time and posting numbers rise together.
  await write(tx, written, clock.now())
  return { results, written, assets: new Map(loaded.assets.map((asset) => [asset.symbol, asset])) }
}

async function load(tx: Tx, items: readonly BatchItem[], now: Date): Promise<Loaded> {
  const before = holdIdsBefore(items)
  const facts = await holdFacts(tx, before)
  const reversible = await transactionsBySide(
    tx,
    items.flatMap(({ op }) => (op.type === 'reverse' ? [op.postingId] : [])),
  )
  const reversedAccounts = new Map(
    [...reversible].map(([id, { postings }]) => [id, postings.map(({ accountId }) => accountId)]),
  )
  const settled = await lockPositions(tx, settledMarkets(items), now)
  const accounts = await lockAccounts(tx, accountNeeds(items, facts, reversedAccounts), now)
  // From here on nothing that matters to these accounts can change.
  const shown = await selectPositions(
    tx,
    shownMarkets(items).filter((symbol) => !settled.some((p) => p.symbol === symbol)),
  )
  const answers = await selectAnswers(
    tx,
    items.flatMap(({ key }) => key ?? []),
  )
  const assets = await selectAssets(tx, [...new Set([...assetsOf(items), ...accounts.map(({ asset }) => asset)])])
  const holds = await selectHolds(tx, holdIds(items))
  const mustHaveFacts = new Set(before)
  if (holds.some(({ id }) => mustHaveFacts.has(id) && !facts.has(id))) throw new BatchRaceError()
  const reversed = await reversedAmong(
    tx,
    [...reversible.values()].map(({ id }) => id),
  )
  for (const [id, transaction] of reversible) {
    if (reversed.has(transaction.id)) reversible.set(id, { ...transaction, reversed: true })
  }
  return { accounts, assets, holds, answers, reversible, positions: [...settled, ...shown] }
}

async function write(tx: Tx, written: Written, now: Date): Promise<void> {
  // The rows that can lose a race come first, so that little is undone.
  await insertHolds(tx, written.holds, now)
  await insertAnswers(tx, written.answers, now)
  await insertTransactions(tx, written.transactions, now)
  await insertPostings(tx, written.postings, now)
  await insertHoldChanges(tx, written.holdChanges, now)
  await updateAccounts(tx, written.accounts)
  await updatePositions(tx, written.positions, now)
}
