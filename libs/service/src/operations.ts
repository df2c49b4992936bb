import {
  type Consumer,
  type ConsumerOptions,
  countParked,
  dropDeadLetter,
  listDeadLetters,
  replayDeadLetter,
} from '@bitka/events'
import { DomainError, invalidField, Loop } from '@bitka/kernel'
import {
  type BoundService,
  type CallContext,
  type HealthState,
  implement,
  type ServicePolicy,
  userOf,
} from '@bitka/mesh'
import { OperationsService } from '@bitka/proto/bitka/operations/v1/operations_pb'
import {
  idempotent,
  type Page,
  pagination,
  parsePage,
  purgeIdempotency,
  readIdempotencyKey,
  requestHash,
  type Tx,
} from '@bitka/store'
import type { AuditInput } from './audit.ts'
import type { Dependency, Health, ServiceContext } from './types.ts'

type Options = {
  context: ServiceContext
  consumers: { group: string; consumer: Consumer; handle: ConsumerOptions['handle'] }[]
  extra?: () => Promise<Dependency[]>
}

const operators = ['operator', 'admin'] as const

/** Who may call OperationsService. */
export const operationsPolicy: ServicePolicy<typeof OperationsService> = {
  getServiceHealth: { kind: 'user', roles: operators },
  listDeadLetters: { kind: 'user', roles: operators },
  replayDeadLetter: { kind: 'user', roles: operators },
  dropDeadLetter: { kind: 'user', roles: operators },
}

/** How long one check of a dependency may take. */
const CHECK_TIMEOUT_MS = 2_000
const WATCH_INTERVAL_MS = 1_000

/** A service's health, and its dead letters, for operators and for readiness. */
export function createOperations({ context, consumers, extra }: Options): {
  health: () => Promise<Health>
  implementation: BoundService
  /** Keeps the gRPC health state equal to the health. */
  watch: (state: HealthState) => { stop(): Promise<void> }
} {
  const { db, name, log, audit, identity } = context
  const health = async (): Promise<Health> => {
    const dependencies = [
      { name: 'identity', ok: identity.isValid(), detail: identity.isValid() ? '' : 'the certificate has expired' },
      await check('database', async () => {
        await db.query('select 1')
      }),
      await check('event log', async () => {
        await context.eventLog.latestOffsets('identity.session.revoked')
      }),
      ...consumers.map(({ group, consumer }) => consumerHealth(group, consumer)),
      ...(await (extra?.() ?? Promise.resolve([]))),
    ]
    return { ready: dependencies.every(({ ok }) => ok), dependencies }
  }
  const implementation = implement(
    OperationsService,
    {
      getServiceHealth: async () => ({ health: { service: name, ...(await health()) } }),
      listDeadLetters: async (request) => {
        const page = letterPage(request)
        const letters = await listDeadLetters(db, page)
        return {
          pagination: pagination(page, await countParked(db)),
          items: letters.map((letter) => ({
            id: String(letter.id),
            consumer: letter.group,
            topic: letter.record.topic,
            partition: letter.record.partition,
            offset: letter.record.offset,
            error: letter.error,
            attempts: letter.attempts,
            parkedAt: letter.parkedAt.toISOString(),
          })),
        }
      },
      replayDeadLetter: ({ deadLetterId }, ctx) =>
        once(context, ctx, deadLetterId, async (tx) => {
          const id = letterId(deadLetterId)
          const [letter] = await listDeadLetters(tx, { after: id - 1n, limit: 1 })
          const owner = consumers.find(({ group }) => group === letter?.group)
          if (letter?.id !== id || !owner) throw noSuchLetter()
          if (!(await replayDeadLetter(tx, id, owner.handle))) throw noSuchLetter()
          await audit(tx, letterAudit('admin.dead-letter.replay', deadLetterId, ctx))
        }),
      dropDeadLetter: ({ deadLetterId }, ctx) =>
        once(context, ctx, deadLetterId, async (tx) => {
          if (!(await dropDeadLetter(tx, letterId(deadLetterId)))) throw noSuchLetter()
          await audit(tx, letterAudit('admin.dead-letter.drop', deadLetterId, ctx))
        }),
    },
    operationsPolicy,
  )
  const watch = (state: HealthState): Loop =>
    new Loop({ name: `${name}.readiness`, intervalMs: WATCH_INTERVAL_MS, log }, async () => {
      state.set((await health()).ready)
    })
  return { health, implementation, watch }
}

/** `limit` is what per_page was called first, and still works. */
function letterPage({ page, perPage, limit }: { page?: number; perPage?: number; limit?: number }): Page {
  if (limit === undefined) return parsePage({ page, perPage })
  if (perPage !== undefined) throw invalidField('limit', 'cannot be combined with per_page')
  if (limit < 1 || limit > 200) throw invalidField('limit', 'must be between 1 and 200')
  return parsePage({ page, perPage: limit })
}

const KEPT_MS = 24 * 60 * 60_000

/** Does one thing to a dead letter in one transaction, once for an Idempotency-Key: a repeat gets the first outcome. */
async function once(
  { db, clock }: Pick<ServiceContext, 'db' | 'clock'>,
  call: CallContext,
  deadLetterId: string,
  run: (tx: Tx) => Promise<void>,
): Promise<object> {
  const key = readIdempotencyKey(call.idempotencyKey)
  if (key === undefined) {
    await db.transaction(run)
    return {}
  }
  const now = clock.now()
  const hash = requestHash(call.method, deadLetterId)
  const claim = { scope: call.method, userId: userOf(call).userId, key, requestHash: hash, ttlMs: KEPT_MS, now }
  // Seldom enough that whoever adds an answer can clear away the old ones.
  await purgeIdempotency(db, { now })
  await db.transaction((tx) => idempotent(tx, claim, () => run(tx)))
  return {}
}

const noSuchLetter = (): DomainError => new DomainError('not_found', 'There is no such dead letter.')

/** Dead letters are numbered by the database, within bigint. */
function letterId(text: string): bigint {
  if (!/^[1-9][0-9]{0,17}$/.test(text)) throw noSuchLetter()
  return BigInt(text)
}

const letterAudit = (action: string, id: string, ctx: CallContext): AuditInput => ({
  action,
  outcome: 'succeeded',
  target: { type: 'dead-letter', id },
  ctx,
})

async function check(name: string, run: () => Promise<void>): Promise<Dependency> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), CHECK_TIMEOUT_MS)
  })
  try {
    await Promise.race([run(), late])
    return { name, ok: true, detail: '' }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) }
  } finally {
    clearTimeout(timer)
  }
}

function consumerHealth(group: string, consumer: Consumer): Dependency {
  const stopped = consumer.status().partitions.filter((partition) => partition.stopped !== undefined)
  const detail = stopped.map(
    ({ topic, partition, stopped: at }) => `${topic}/${partition} stopped at ${at?.offset}: ${at?.error}`,
  )
  return { name: `consumer ${group}`, ok: stopped.length === 0, detail: detail.join('; ') }
}
