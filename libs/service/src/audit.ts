import { appendOutbox } from '@bitka/events'
import { type Clock, newId } from '@bitka/kernel'
import type { CallContext, ServiceName, UserIdentity } from '@bitka/mesh'
import { AuditActorKind, AuditOutcome, AuditRecordedSchema } from '@bitka/proto/bitka/events/v1/audit_pb'
import type { Tx } from '@bitka/store'
import { create, toBinary } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { Profile } from './config.ts'

/** One action to be kept for good, written in the commit of the action itself. */
export type AuditInput = {
  /** For example "order.create". */
  action: string
  outcome: 'succeeded' | 'refused' | 'failed'
  /** The REST code of a refusal. */
  errorCode?: string
  target?: { type: string; id: string }
  /** The call that caused it: gives actor, address, user agent and request id. */
  ctx?: CallContext
  /** Who acted, where the call does not say it: a sign-in knows its user only at its end. */
  actor?: { kind: 'user' | 'operator' | 'anonymous' | 'service' | 'third_party'; id?: string }
  /** More facts; never personal data or secrets. */
  details?: Readonly<Record<string, string>>
}

export type Audit = (tx: Tx, input: AuditInput | readonly AuditInput[]) => Promise<void>

const kinds = {
  user: AuditActorKind.USER,
  operator: AuditActorKind.OPERATOR,
  anonymous: AuditActorKind.ANONYMOUS,
  service: AuditActorKind.SERVICE,
  third_party: AuditActorKind.THIRD_PARTY,
} as const

const outcomes = {
  succeeded: AuditOutcome.SUCCEEDED,
  refused: AuditOutcome.REFUSED,
  failed: AuditOutcome.FAILED,
} as const

const actorOf = (user: UserIdentity | undefined, action: string): NonNullable<AuditInput['actor']> => {
  if (!user) return { kind: 'anonymous' }
  // Somebody with a privileged role acts as an operator only where the action is an operator's.
  const privileged = user.roles.some((role) => role !== 'user') && action.startsWith('admin.')
  return { kind: privileged ? 'operator' : 'user', id: user.userId }
}

/** The audit writer of one service. Operators' actions are named "admin.…". */
export const createAudit =
  (service: ServiceName, profile: Profile, clock: Clock): Audit =>
  async (tx, input) => {
    const inputs = Array.isArray(input) ? (input as readonly AuditInput[]) : [input as AuditInput]
    const topic = `system.audit.log.${service}` as Parameters<typeof appendOutbox>[1][number]['topic']
    await appendOutbox(
      tx,
      inputs.map((one) => {
        const { ctx, target } = one
        const actor = one.actor ?? (ctx ? actorOf(ctx.user, one.action) : { kind: 'service' as const, id: service })
        const record = create(AuditRecordedSchema, {
          eventId: newId(),
          time: timestampFromDate(clock.now()),
          actorKind: kinds[actor.kind],
          actorId: actor.id ?? '',
          action: one.action,
          targetType: target?.type ?? '',
          targetId: target?.id ?? '',
          outcome: outcomes[one.outcome],
          errorCode: one.errorCode ?? '',
          address: ctx?.clientAddress ?? '',
          userAgent: ctx?.userAgent ?? '',
          requestId: ctx?.requestId ?? '',
          profile,
          details: Object.entries(one.details ?? {}).map(([name, value]) => ({ name, value })),
        })
        return {
          topic,
          // One key: the audit log of a service is one sequence.
          key: service,
          type: AuditRecordedSchema.typeName,
          value: toBinary(AuditRecordedSchema, record),
          traceparent: ctx?.traceparent,
        }
      }),
    )
  }
