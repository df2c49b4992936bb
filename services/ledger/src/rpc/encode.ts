import { formatMinor } from '@bitka/kernel'
import {
  type AccountSchema,
  type AssetSchema,
  AssetType,
  type BalanceUpdateSchema,
  TransactionDirection,
  TransactionKind,
  type TransactionSchema,
  TransactionStatus,
  TransactionType,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { Balance } from '../balances.ts'
import type { PostingKind } from '../domain/model.ts'
import type { AccountView } from '../store/account-views.ts'
import type { AssetRecord } from '../store/assets.ts'
import type { PostingView } from '../store/posting-views.ts'

const assetTypes = { CRYPTO: AssetType.CRYPTO, FIAT: AssetType.FIAT } as const

export const toAsset = (asset: AssetRecord): MessageInitShape<typeof AssetSchema> => ({
  symbol: asset.symbol,
  name: asset.name,
  type: assetTypes[asset.type],
  decimals: asset.decimals,
  iconUrl: asset.iconUrl,
  isActive: asset.isActive,
  createdAt: timestampFromDate(asset.createdAt),
})

export const toAccount = (account: AccountView): MessageInitShape<typeof AccountSchema> => ({
  id: account.id,
  userId: account.userId,
  asset: account.asset,
  available: formatMinor(account.available, account.decimals),
  locked: formatMinor(account.locked, account.decimals),
  createdAt: timestampFromDate(account.createdAt),
})

export const toBalance = (balance: Balance): MessageInitShape<typeof BalanceUpdateSchema> => ({
  accountId: balance.accountId,
  asset: balance.asset,
  available: formatMinor(balance.available, balance.decimals),
  locked: formatMinor(balance.locked, balance.decimals),
  version: balance.version,
})

const kinds: Record<PostingKind, TransactionKind> = {
  deposit: TransactionKind.DEPOSIT,
  withdrawal: TransactionKind.WITHDRAWAL,
  transfer: TransactionKind.TRANSFER,
  trade: TransactionKind.TRADE,
  fee: TransactionKind.FEE,
  adjustment: TransactionKind.ADJUSTMENT,
  reversal: TransactionKind.REVERSAL,
}

/** A posting as the API shows it: one account's side of a transaction. */
export function toTransaction(posting: PostingView): MessageInitShape<typeof TransactionSchema> {
  const isOut = posting.amount < 0n
  const oneWay = isOut ? TransactionType.DEBIT : TransactionType.CREDIT
  return {
    id: posting.id,
    accountId: posting.accountId,
    type: posting.kind === 'transfer' ? TransactionType.TRANSFER : oneWay,
    direction: isOut ? TransactionDirection.OUT : TransactionDirection.IN,
    kind: kinds[posting.kind],
    amount: formatMinor(isOut ? -posting.amount : posting.amount, posting.decimals),
    asset: posting.asset,
    balanceAfter: formatMinor(posting.balanceAfter, posting.decimals),
    status: posting.reversed ? TransactionStatus.REVERSED : TransactionStatus.POSTED,
    description: posting.description,
    metadata: posting.metadata,
    relatedTxId: posting.relatedId,
    createdAt: timestampFromDate(posting.createdAt),
  }
}
