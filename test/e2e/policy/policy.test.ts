import { type Exchange, readConfig, startExchange } from '@bitka/embedded'
import { DomainError, silentLogger } from '@bitka/kernel'
import { createClient, type ServiceName, serviceNames, WorkloadIdentity } from '@bitka/mesh'
import { AuditService } from '@bitka/proto/bitka/audit/v1/audit_pb'
import { AuthService, DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { LedgerPostingService, LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { MatchingOperatorService, MatchingService } from '@bitka/proto/bitka/matching/v1/matching_pb'
import { NotificationService } from '@bitka/proto/bitka/notification/v1/notification_pb'
import { OperationsService } from '@bitka/proto/bitka/operations/v1/operations_pb'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { ContactService, UserService } from '@bitka/proto/bitka/user/v1/user_pb'
import { tempDir } from '@bitka/testkit'
import type { DescMethod, DescService } from '@bufbuild/protobuf'
import { expectedCallers } from './expected-callers.ts'

type Backend = Exclude<ServiceName, 'gateway'>
const backends = serviceNames.filter((name): name is Backend => name !== 'gateway')

const served: Record<Backend, readonly DescService[]> = {
  auth: [AuthService, DirectoryService],
  user: [UserService, ContactService],
  ledger: [LedgerService, LedgerPostingService],
  order: [OrderService],
  matching: [MatchingService, MatchingOperatorService],
  'market-data': [MarketDataService],
  notification: [NotificationService],
  audit: [AuditService],
}

let exchange: Exchange
const identities = new Map<ServiceName, WorkloadIdentity>()

beforeAll(async () => {
  const config = readConfig({ BITKA_DATA_DIR: await tempDir(), BITKA_HTTP_PORT: '0', BITKA_RATE_LIMIT_SCALE: '0' })
  exchange = await startExchange(config, () => silentLogger)
  for (const name of serviceNames) {
    const identity = WorkloadIdentity.connect({ socketPath: exchange.platform.ca.socketPath(name), log: silentLogger })
    await identity.ready()
    identities.set(name, identity)
  }
}, 120_000)

afterAll(async () => {
  for (const identity of identities.values()) identity.close()
  await exchange?.stop()
})

type AnyCall = (request: object, options: object) => Promise<unknown> | AsyncIterable<unknown>

/** "refused" when the caller policy says no, "passed" for every other outcome: the call got past it. */
async function verdict(desc: DescService, method: DescMethod, service: Backend, caller: ServiceName): Promise<string> {
  const identity = identities.get(caller)!
  const target = `localhost:${exchange.ports[service]}`
  const client = createClient(desc, { identity, target, expect: service, log: silentLogger })
  const call = client[method.localName as never] as unknown as AnyCall
  try {
    const answer = call({}, { deadlineMs: 5_000 })
    if (method.methodKind === 'server_streaming') for await (const _ of answer as AsyncIterable<unknown>) break
    else await answer
    return 'passed'
  } catch (error) {
    if (error instanceof DomainError) return error.kind === 'forbidden' ? 'refused' : 'passed'
    throw error
  } finally {
    client.close()
  }
}

const methods = backends.flatMap((service) =>
  [...served[service], OperationsService].flatMap((desc) => desc.methods.map((method) => ({ service, desc, method }))),
)

it('knows every method of every contract', () => {
  // The services of the contracts, counted by hand so that a new one cannot be forgotten in `served`.
  expect(new Set(methods.map(({ desc }) => desc.typeName)).size).toBe(13)
  const named = new Set(methods.map(({ desc, method }) => `${desc.typeName}/${method.name}`))
  expect([...named].sort()).toEqual(Object.keys(expectedCallers).sort())
})

test.each(methods.map((one) => [`${one.service}: ${one.desc.typeName}/${one.method.name}`, one] as const))(
  '%s takes exactly the callers of the table',
  async (_, { service, desc, method }) => {
    const allowed = expectedCallers[`${desc.typeName}/${method.name}`] ?? []
    const expected: Record<string, string> = {}
    const found: Record<string, string> = {}
    for (const caller of serviceNames) {
      expected[caller] = allowed.includes(caller) ? 'passed' : 'refused'
      found[caller] = await verdict(desc, method, service, caller)
    }
    expect(found).toEqual(expected)
  },
)
