import type { ServiceName } from '@bitka/mesh'
import { AuditService } from '@bitka/proto/bitka/audit/v1/audit_pb'
import { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { MatchingOperatorService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import { NotificationService } from '@bitka/proto/bitka/notification/v1/notification_pb'
import { OperationsService } from '@bitka/proto/bitka/operations/v1/operations_pb'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import type { DescService } from '@bufbuild/protobuf'

/** Who serves a public contract: one service, or the one that the request's `service` field names. */
export type Owner = ServiceName | 'named-by-request'

/** The contracts that the outside may use, all their methods, in every dialect. What is not here cannot be reached. */
export const publicServices: readonly { desc: DescService; owner: Owner }[] = [
  { desc: AuthService, owner: 'auth' },
  { desc: UserService, owner: 'user' },
  { desc: LedgerService, owner: 'ledger' },
  { desc: OrderService, owner: 'order' },
  { desc: MatchingOperatorService, owner: 'matching' },
  { desc: MarketDataService, owner: 'market-data' },
  { desc: NotificationService, owner: 'notification' },
  { desc: AuditService, owner: 'audit' },
  { desc: OperationsService, owner: 'named-by-request' },
]

/** The services behind the gateway. */
export const backendNames = [
  'auth',
  'user',
  'ledger',
  'order',
  'matching',
  'market-data',
  'notification',
  'audit',
] as const satisfies readonly ServiceName[]
export type BackendName = (typeof backendNames)[number]

export const isBackendName = (name: string): name is BackendName => backendNames.some((known) => known === name)
