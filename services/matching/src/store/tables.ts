import { bytea } from '@bitka/store'
import { bigint, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

export const snapshots = pgTable(
  'snapshots',
  {
    partition: integer('partition').notNull(),
    symbol: text('symbol').notNull(),
    commandSeq: bigint('command_seq', { mode: 'number' }).notNull(),
    resultNumber: bigint('result_number', { mode: 'number' }).notNull(),
    bookSeq: bigint('book_seq', { mode: 'number' }).notNull(),
    inputOffset: bigint('input_offset', { mode: 'bigint' }).notNull(),
    outputOffset: bigint('output_offset', { mode: 'bigint' }).notNull(),
    engineVersion: integer('engine_version').notNull(),
    state: bytea('state').notNull(),
    stateHash: bytea('state_hash').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  },
  ({ partition, symbol, commandSeq }) => [primaryKey({ columns: [partition, symbol, commandSeq] })],
)
