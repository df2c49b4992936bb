import type { CursorQuery, Decimal, Metadata, PageQuery, Time } from './common.ts'

export type Account = {
  id: string
  user_id: string
  asset: string
  available: Decimal
  locked: Decimal
  created_at: Time
}
export type AccountsQuery = PageQuery & { user_id?: string; asset?: string }

export type TransactionType = 'debit' | 'credit' | 'transfer'
export type TransactionStatus = 'pending' | 'posted' | 'failed' | 'reversed'

/** One account's side of a transaction. */
export type Transaction = {
  id: string
  account_id: string
  type: TransactionType
  direction: 'in' | 'out'
  kind: 'deposit' | 'withdrawal' | 'transfer' | 'trade' | 'fee' | 'adjustment' | 'reversal'
  amount: Decimal
  asset: string
  balance_after: Decimal
  status: TransactionStatus
  description: string | null
  metadata: Metadata
  related_tx_id: string | null
  created_at: Time
}
export type TransactionsQuery = CursorQuery & {
  account_id?: string
  asset?: string
  status?: TransactionStatus
  from?: Time
  to?: Time
  user_id?: string
}
export type TransactionBody = {
  account_id: string
  type: TransactionType
  amount: Decimal
  asset: string
  description?: string
  metadata?: Metadata
  destination_account_username?: string
}
export type TransactionPosted = { transaction_id: string; status: TransactionStatus; message: string }

export type AssetType = 'CRYPTO' | 'FIAT'
export type Asset = {
  symbol: string
  name: string
  type: AssetType
  decimals: number
  icon_url?: string
  is_active: boolean
  created_at: Time
}
export type AssetBody = {
  symbol: string
  name: string
  type: AssetType
  decimals: number
  icon_url?: string
  is_active?: boolean
}
export type AssetChanges = Partial<Omit<AssetBody, 'symbol'>>
