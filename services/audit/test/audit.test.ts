import { listDeadLetters } from '@bitka/events'
import { newId, silentLogger } from '@bitka/kernel'
import { AuditService } from '@bitka/proto/bitka/audit/v1/audit_pb'
import { AuditActorKind, AuditOutcome, AuditRecordedSchema } from '@bitka/proto/bitka/events/v1/audit_pb'
import type { RunningService } from '@bitka/service'
import { type FakeAuth, fakeAuth, storePermissionSuite, type TestPlatform, testPlatform, waitFor } from '@bitka/testkit'
import { create, toBinary } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { firstBreak, GENESIS } from '../src/domain/chain.ts'
import { startAudit } from '../src/service.ts'
import { readChain } from '../src/store/audit-rows.ts'

let platform: TestPlatform
let auth: FakeAuth
let audit: RunningService

beforeAll(async () => {
  platform = await testPlatform()
  auth = await fakeAuth(platform)
  audit = await startAudit(platform.env('audit'), { log: silentLogger })
})

afterAll(async () => {
  await audit?.stop()
  await auth?.stop()
  await platform?.stop()
})

const record = (fields: { eventId?: string; action: string; actorId?: string; targetId?: string }) =>
  create(AuditRecordedSchema, {
    eventId: newId(),
    time: timestampFromMs(1_760_000_000_000),
    actorKind: AuditActorKind.USER,
    outcome: AuditOutcome.SUCCEEDED,
    requestId: 'request-1',
    profile: 'demo',
    details: [{ name: 'amount', value: '1.5' }],
    ...fields,
  })

const publish = async (service: 'ledger' | 'auth', records: ReturnType<typeof record>[]) => {
  const log = platform.eventLog(service)
  await log.append(
    `system.audit.log.${service}`,
    records.map((value) => ({ key: service, headers: {}, value: toBinary(AuditRecordedSchema, value) })),
  )
}

const search = async (request: object) => {
  const client = await platform.client(AuditService, 'gateway', { service: 'audit', port: audit.port })
  const operator = await auth.token(newId(), { roles: ['user', 'auditor'] })
  return client.searchAudit(request, { token: operator })
}

const find = (action: string, count: number) =>
  waitFor(async () => {
    const found = await search({ action })
    return found.items.length === count && found
  })

it('keeps an action with its producer taken from the topic, and shows it whole', async () => {
  const event = record({ action: 'order.create', actorId: 'alice', targetId: 'order-1' })
  await publish('ledger', [event])
  const { items, pagination } = await find('order.create', 1)
  expect(pagination).toMatchObject({ page: 1, perPage: 25, total: 1n, totalPages: 1 })
  expect(items[0]).toMatchObject({
    seq: expect.any(BigInt),
    eventId: event.eventId,
    service: 'ledger',
    actorKind: AuditActorKind.USER,
    actorId: 'alice',
    action: 'order.create',
    targetId: 'order-1',
    outcome: AuditOutcome.SUCCEEDED,
    requestId: 'request-1',
    profile: 'demo',
    details: [{ name: 'amount', value: '1.5' }],
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
})

it('keeps an action that is delivered twice once, and the chain whole', async () => {
  const event = record({ action: 'twice' })
  await publish('auth', [event, event])
  await publish('auth', [event, record({ action: 'after' })])
  await find('after', 1)
  await find('twice', 1)
  expect(firstBreak(GENESIS, await readChain(platform.db('audit').orm, 0n, 1_000))).toBeUndefined()
})

it('goes on after a record that cannot be read', async () => {
  await platform
    .eventLog('auth')
    .append('system.audit.log.auth', [{ key: 'auth', headers: {}, value: Uint8Array.of(0xff, 0xff, 0xff) }])
  await publish('ledger', [record({ action: 'still.here' })])
  await find('still.here', 1)
})

it('pages by cursor without a total', async () => {
  await publish(
    'ledger',
    Array.from({ length: 5 }, () => record({ action: 'many' })),
  )
  await find('many', 5)
  const first = await search({ action: 'many', perPage: 2 })
  const second = await search({ action: 'many', perPage: 2, cursor: first.pagination?.nextCursor })
  const third = await search({ action: 'many', perPage: 2, cursor: second.pagination?.nextCursor })
  const seqs = [...first.items, ...second.items, ...third.items].map(({ seq }) => seq)
  expect(seqs).toEqual([...seqs].sort((a, b) => Number(b - a)))
  expect(new Set(seqs).size).toBe(5)
  expect(second.pagination).toEqual(expect.not.objectContaining({ total: expect.anything(), page: expect.anything() }))
  expect(third.pagination?.nextCursor).toBeUndefined()
  await expect(search({ cursor: 'nonsense!' })).rejects.toMatchObject({
    kind: 'invalid',
    details: { cursor: expect.any(String) },
  })
})

it('shows nothing to somebody without the role', async () => {
  const client = await platform.client(AuditService, 'gateway', { service: 'audit', port: audit.port })
  const user = await auth.token(newId())
  await expect(client.searchAudit({}, { token: user })).rejects.toMatchObject({ kind: 'forbidden' })
  await expect(client.searchAudit({})).rejects.toMatchObject({ kind: 'unauthenticated' })
})

it('takes no audit record from a service that speaks for another', async () => {
  await expect(
    platform
      .eventLog('order')
      .append('system.audit.log.ledger', [{ key: 'ledger', headers: {}, value: new Uint8Array() }]),
  ).rejects.toThrow('order may not use topic')
})

describe('permissions', () => {
  storePermissionSuite({
    service: 'audit',
    appDb: () => platform.db('audit'),
    ownerTables: { insertOnly: ['audit_rows'] },
    foreignSchemas: ['ledger', 'auth'],
  })
})

// The last one: by now its six attempts are over, or almost.
it('has parked the record that it could not read, and is ready', async () => {
  const db = platform.db('audit')
  const letters = await waitFor(
    async () => {
      const all = await listDeadLetters(db, { limit: 10 })
      return all.length > 0 && all
    },
    { timeoutMs: 90_000 },
  )
  expect(letters).toMatchObject([{ group: 'audit.log', attempts: 6, record: { topic: 'system.audit.log.auth' } }])
  expect(await audit.health()).toMatchObject({ ready: true })
})
