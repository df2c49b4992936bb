import { AuditService } from '@bitka/proto/bitka/audit/v1/audit_pb'
import { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { MatchingOperatorService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import { NotificationService } from '@bitka/proto/bitka/notification/v1/notification_pb'
import { OperationsService } from '@bitka/proto/bitka/operations/v1/operations_pb'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import { http } from '@bitka/proto/google/api/annotations_pb'
import { type DescMethod, type DescService, getOption, hasOption } from '@bufbuild/protobuf'

const services: readonly DescService[] = [
  AuthService,
  UserService,
  LedgerService,
  OrderService,
  MatchingOperatorService,
  MarketDataService,
  NotificationService,
  AuditService,
  OperationsService,
]

/** What operators call below this REST path has an address in the Connect and gRPC dialects too. */
export const OPERATOR_PREFIX = '/v1/admin'

function isOperators(method: DescMethod): boolean {
  if (!hasOption(method, http)) return false
  const { pattern } = getOption(method, http)
  return typeof pattern.value === 'string' && pattern.value.startsWith(`${OPERATOR_PREFIX}/`)
}

/** The RPC paths of methods whose REST address is an operator's, `/bitka.order.v1.OrderService/HaltMarket`. */
export const operatorRpcPaths = (): string[] =>
  services.flatMap((service) => service.methods.filter(isOperators).map(({ name }) => `/${service.typeName}/${name}`))
