import type { CallOptions, Transport } from '../http/transport.ts'
import type { Page } from '../types/common.ts'
import type {
  Account,
  AccountsQuery,
  Asset,
  AssetBody,
  AssetChanges,
  Transaction,
  TransactionBody,
  TransactionPosted,
  TransactionsQuery,
} from '../types/ledger.ts'

/** Accounts, transactions and assets. */
export const ledgerApi = (transport: Transport) => ({
  accounts: (query: AccountsQuery = {}, options?: CallOptions): Promise<Page<Account>> =>
    transport.send({ method: 'GET', path: '/v1/ledger/accounts', query, options }),

  account: (accountId: string, options?: CallOptions): Promise<Account> =>
    transport.send({ method: 'GET', path: `/v1/ledger/accounts/${encodeURIComponent(accountId)}`, options }),

  transactions: (query: TransactionsQuery = {}, options?: CallOptions): Promise<Page<Transaction>> =>
    transport.send({ method: 'GET', path: '/v1/ledger/transactions', query, options }),

  transaction: (transactionId: string, options?: CallOptions): Promise<Transaction> =>
    transport.send({ method: 'GET', path: `/v1/ledger/transactions/${encodeURIComponent(transactionId)}`, options }),

  /** A transfer out of an own account; credits and debits are for treasury. An `idempotencyKey` must be a UUID here. */
  createTransaction: (body: TransactionBody, options?: CallOptions): Promise<TransactionPosted> =>
    transport.send({ method: 'POST', path: '/v1/ledger/transactions', body, keyed: true, options }),

  assets: (query: { active_only?: boolean } = {}, options?: CallOptions): Promise<Asset[]> =>
    transport.send({ method: 'GET', path: '/v1/ledger/assets', query, options }),

  asset: (symbol: string, options?: CallOptions): Promise<Asset> =>
    transport.send({ method: 'GET', path: `/v1/ledger/assets/${encodeURIComponent(symbol)}`, options }),

  /** Operators. */
  createAsset: (body: AssetBody, options?: CallOptions): Promise<Asset> =>
    transport.send({ method: 'POST', path: '/v1/ledger/assets', body, keyed: true, options }),

  /** Operators. */
  updateAsset: (symbol: string, body: AssetChanges, options?: CallOptions): Promise<Asset> =>
    transport.send({
      method: 'PUT',
      path: `/v1/ledger/assets/${encodeURIComponent(symbol)}`,
      body,
      repeatable: true,
      options,
    }),
})
