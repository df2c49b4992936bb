import type { CallOptions, Transport } from '../http/transport.ts'
import type {
  AuditQuery,
  AuditRow,
  DeadLetter,
  DeliveriesQuery,
  Delivery,
  MarketEngine,
  ServiceHealth,
} from '../types/admin.ts'
import type { Page, PageQuery } from '../types/common.ts'
import type { Role, User, UsersQuery } from '../types/identity.ts'
import type { TransactionPosted } from '../types/ledger.ts'
import type { Market, MarketBody, MarketChanges } from '../types/markets.ts'

const id = encodeURIComponent

/** What operators do with users and markets. */
export const adminApi = (transport: Transport) => ({
  users: (query: UsersQuery = {}, options?: CallOptions): Promise<Page<User>> =>
    transport.send({ method: 'GET', path: '/v1/admin/users', query, options }),
  /** Ends the user's sessions. Admins. */
  setRoles: (userId: string, roles: Role[], options?: CallOptions): Promise<User> =>
    transport.send({
      method: 'PUT',
      path: `/v1/admin/users/${id(userId)}/roles`,
      body: { roles },
      repeatable: true,
      options,
    }),
  disableUser: (userId: string, reason?: string, options?: CallOptions): Promise<User> =>
    transport.send({
      method: 'POST',
      path: `/v1/admin/users/${id(userId)}/disable`,
      body: { reason },
      keyed: true,
      options,
    }),
  enableUser: (userId: string, options?: CallOptions): Promise<User> =>
    transport.send({ method: 'POST', path: `/v1/admin/users/${id(userId)}/enable`, body: {}, keyed: true, options }),
  /** Cancels every open order of a user. */
  cancelAll: (userId: string, options?: CallOptions): Promise<{ cancel_requested: number }> =>
    transport.send({
      method: 'POST',
      path: `/v1/admin/users/${id(userId)}/cancel-all`,
      body: {},
      keyed: true,
      options,
    }),

  markets: (query: PageQuery = {}, options?: CallOptions): Promise<Page<Market>> =>
    transport.send({ method: 'GET', path: '/v1/admin/markets', query, options }),
  createMarket: (body: MarketBody, options?: CallOptions): Promise<Market> =>
    transport.send({ method: 'POST', path: '/v1/admin/markets', body, keyed: true, options }),
  updateMarket: (symbol: string, body: MarketChanges, options?: CallOptions): Promise<Market> =>
    transport.send({ method: 'PUT', path: `/v1/admin/markets/${id(symbol)}`, body, repeatable: true, options }),
  haltMarket: (symbol: string, reason?: string, options?: CallOptions): Promise<Market> =>
    transport.send({
      method: 'POST',
      path: `/v1/admin/markets/${id(symbol)}/halt`,
      body: { reason },
      keyed: true,
      options,
    }),
  resumeMarket: (symbol: string, reason?: string, options?: CallOptions): Promise<Market> =>
    transport.send({
      method: 'POST',
      path: `/v1/admin/markets/${id(symbol)}/resume`,
      body: { reason },
      keyed: true,
      options,
    }),
  marketEngine: (symbol: string, options?: CallOptions): Promise<MarketEngine> =>
    transport.send({ method: 'GET', path: `/v1/admin/markets/${id(symbol)}/engine`, options }),

  /** Posts the opposite of a transaction. Treasury. */
  reverseTransaction: (transactionId: string, reason?: string, options?: CallOptions): Promise<TransactionPosted> =>
    transport.send({
      method: 'POST',
      path: `/v1/admin/ledger/transactions/${id(transactionId)}/reverse`,
      body: { reason },
      keyed: true,
      options,
    }),
  ...operationsApi(transport),
})

/** What operators look at when they run the exchange. */
const operationsApi = (transport: Transport) => ({
  audit: (query: AuditQuery = {}, options?: CallOptions): Promise<Page<AuditRow>> =>
    transport.send({ method: 'GET', path: '/v1/admin/audit', query, options }),
  deliveries: (query: DeliveriesQuery = {}, options?: CallOptions): Promise<Page<Delivery>> =>
    transport.send({ method: 'GET', path: '/v1/admin/notifications/deliveries', query, options }),
  serviceHealth: (service: string, options?: CallOptions): Promise<ServiceHealth> =>
    transport.send({ method: 'GET', path: `/v1/admin/services/${id(service)}/health`, options }),
  deadLetters: (service: string, query: PageQuery = {}, options?: CallOptions): Promise<Page<DeadLetter>> =>
    transport.send({ method: 'GET', path: `/v1/admin/services/${id(service)}/dead-letters`, query, options }),
  replayDeadLetter: (service: string, deadLetterId: string, options?: CallOptions): Promise<null> =>
    transport.send({
      method: 'POST',
      path: `/v1/admin/services/${id(service)}/dead-letters/${id(deadLetterId)}/replay`,
      body: {},
      keyed: true,
      options,
    }),
  dropDeadLetter: (service: string, deadLetterId: string, options?: CallOptions): Promise<null> =>
    transport.send({
      method: 'DELETE',
      path: `/v1/admin/services/${id(service)}/dead-letters/${id(deadLetterId)}`,
      keyed: true,
      options,
    }),
})
