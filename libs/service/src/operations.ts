import { type Consumer, dropDeadLetter, listDeadLetters, replayDeadLetter } from '@bitka/events'
import { DomainError, invalidField, isUuid, Loop } from '@bitka/kernel'
import { type HealthState, implement, type ServiceImplementation, type ServicePolicy } from '@bitka/mesh'
import { OperationsService } from '@bitka/proto/bitka/operations/v1/operations_pb'
import type { Health, ServiceContext } from './service.ts'

/** One thing a service needs to do its work. */
export type Dependency = { name: string; ok: boolean; detail: string }

type Options = {
  context: ServiceContext
  consumers: { group: string; consumer: Consumer }[]
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
  implementation: ServiceImplementation
  /** Keeps the gRPC health state equal to the health. */
  watch: (state: HealthState) => { stop(): Promise<void> }
} {
  const { db, name, log, audit } = context
  const health = async (): Promise<Health> => {
    const dependencies = [
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
  const owned = (id: string): string => {
    if (!isUuid(id)) throw new DomainError('not_found', 'There is no such dead letter.')
    return id
  }
  const implementation = implement(
    OperationsService,
    {
      getServiceHealth: async () => ({ health: { service: name, ...(await health()) } }),
      listDeadLetters: async ({ limit = 50 }) => {
        if (limit < 1 || limit > 200) throw invalidField('limit', 'must be between 1 and 200')
        const letters = await listDeadLetters(db, { limit })
        return {
          items: letters.map((letter) => ({
            id: letter.id,
            consumer: letter.group,
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            error: letter.error,
            attempts: letter.attempts,
            parkedAt: letter.parkedAt.toISOString(),
          })),
        }
      },
      replayDeadLetter: async ({ deadLetterId }, ctx) => {
        await replayDeadLetter(db, owned(deadLetterId), {
          handlers: Object.fromEntries(consumers.map(({ group, consumer }) => [group, consumer])),
          audit: (tx) =>
            audit(tx, {
              action: 'admin.dead-letter.replay',
              outcome: 'succeeded',
              target: { type: 'dead-letter', id: deadLetterId },
              ctx,
            }),
        })
        return {}
      },
      dropDeadLetter: async ({ deadLetterId }, ctx) => {
        await dropDeadLetter(db, owned(deadLetterId), (tx) =>
          audit(tx, {
            action: 'admin.dead-letter.drop',
            outcome: 'succeeded',
            target: { type: 'dead-letter', id: deadLetterId },
            ctx,
          }),
        )
        return {}
      },
    },
    operationsPolicy,
  )
  const watch = (state: HealthState): Loop =>
    new Loop({ name: `${name}.readiness`, intervalMs: WATCH_INTERVAL_MS, log }, async () => {
      state.set((await health()).ready)
    })
  return { health, implementation, watch }
}

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
  const detail = stopped.map(({ topic, partition, stopped: at }) => `${topic}/${partition} stopped at ${at?.offset}: ${at?.error}`)
  return { name: `consumer ${group}`, ok: stopped.length === 0, detail: detail.join('; ') }
}
