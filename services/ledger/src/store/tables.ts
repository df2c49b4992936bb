import type { Tx } from '@bitka/store'
import type { JsonObject } from '@bufbuild/protobuf'
import { bigint, boolean, integer, jsonb, numeric, pgTable, smallint, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import type { Owner, PostingKind, TransactionKind } from '../domain/model.ts'

/** The pool or a transaction. */
export type Orm = Pick<Tx, 'orm'>

export type AssetType = 'CRYPTO' | 'FIAT'

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const count = (name: string) => bigint(name, { mode: 'bigint' })
const minor = (name: string) => numeric(name, { precision: 38, scale: 0, mode: 'bigint' })

export const assets = pgTable('assets', {
  symbol: text('symbol').primaryKey(),
  name: text('name').notNull(),
  type: text('type').$type<AssetType>().notNull(),
  decimals: smallint('decimals').notNull(),
  iconUrl: text('icon_url'),
  isActive: boolean('is_active').notNull(),
  createdAt: time('created_at').notNull(),
})

export const accounts = pgTable('accounts', {
  id: uuid('id').primaryKey(),
  ownerKind: text('owner_kind').$type<Owner['kind']>().notNull(),
  ownerId: text('owner_id').notNull(),
  asset: text('asset').notNull(),
  available: minor('available').notNull().default(0n),
  locked: minor('locked').notNull().default(0n),
  postingCount: count('posting_count').notNull().default(0n),
  version: count('version').notNull().default(0n),
  frozenAt: time('frozen_at'),
  createdAt: time('created_at').notNull(),
})

export const transactions = pgTable('transactions', {
  id: uuid('id').primaryKey(),
  kind: text('kind').$type<TransactionKind>().notNull(),
  createdAt: time('created_at').notNull(),
  description: text('description'),
  metadata: jsonb('metadata').$type<JsonObject>(),
  author: text('author').notNull(),
  reversesTxId: uuid('reverses_tx_id'),
  symbol: text('symbol'),
  resultNumber: count('result_number'),
})

export const postings = pgTable('postings', {
  id: uuid('id').primaryKey(),
  txId: uuid('tx_id').notNull(),
  accountId: uuid('account_id').notNull(),
  number: count('number').notNull(),
  kind: text('kind').$type<PostingKind>().notNull(),
  amount: minor('amount').notNull(),
  balanceAfter: minor('balance_after').notNull(),
  relatedId: uuid('related_id'),
  createdAt: time('created_at').notNull(),
})

export const settlementPositions = pgTable('settlement_positions', {
  symbol: text('symbol').primaryKey(),
  commandSeq: count('command_seq').notNull(),
  resultNumber: count('result_number').notNull(),
  partition: integer('partition').notNull(),
  updatedAt: time('updated_at').notNull(),
})

/** Kept by libs/events; here only looked at. */
export const consumerCursors = pgTable('consumer_cursors', {
  consumerGroup: text('consumer_group').notNull(),
  topic: text('topic').notNull(),
  partition: integer('partition').notNull(),
  nextOffset: count('next_offset').notNull(),
  stoppedAt: time('stopped_at'),
})
