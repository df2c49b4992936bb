import type { OutboxRecord } from '@bitka/events'
import { formatMinor } from '@bitka/kernel'
import {
  LedgerDepositedSchema,
  LedgerTransferredSchema,
  LedgerWithdrawnSchema,
} from '@bitka/proto/bitka/events/v1/accounting_pb'
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import type { LedgerEvent } from '../domain/book.ts'

/** What the ledger tells others about money that moved. Keyed by the user whose money it was. */
export function toOutbox(event: LedgerEvent, decimals: number): OutboxRecord {
  const { postingId: transactionId, userId, accountId, asset } = event
  const amount = formatMinor(event.amount, decimals)
  const moved = { transactionId, userId, accountId, asset, amount }
  switch (event.type) {
    case 'deposited':
      return record('accounting.ledger.deposited', userId, LedgerDepositedSchema, moved)
    case 'withdrawn':
      return record('accounting.ledger.withdrawn', userId, LedgerWithdrawnSchema, moved)
    case 'transferred':
      return record('accounting.ledger.transferred', userId, LedgerTransferredSchema, {
        transactionId,
        fromUserId: userId,
        toUserId: event.toUserId ?? '',
        asset,
        amount,
        description: event.description ?? '',
      })
  }
}

const record = <S extends DescMessage>(
  topic: OutboxRecord['topic'],
  key: string,
  schema: S,
  value: MessageInitShape<S>,
): OutboxRecord => ({ topic, key, type: schema.typeName, value: toBinary(schema, create(schema, value)) })
