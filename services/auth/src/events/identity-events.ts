import { appendOutbox, type OutboxRecord, type TopicName } from '@bitka/events'
import type { CallContext } from '@bitka/mesh'
import {
  PasswordChangedSchema,
  SessionRevokedSchema,
  UserLoggedInSchema,
  UserRegisteredSchema,
} from '@bitka/proto/bitka/events/v1/identity_pb'
import type { Tx } from '@bitka/store'
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { Device } from '../store/devices.ts'
import type { EndedSession } from '../store/sessions.ts'

type Cause = Pick<CallContext, 'traceparent'>

function record<S extends DescMessage>(
  topic: TopicName,
  userId: string,
  schema: S,
  event: MessageInitShape<S>,
  cause?: Cause,
): OutboxRecord {
  const value = toBinary(schema, create(schema, event))
  return { topic, key: userId, type: schema.typeName, value, traceparent: cause?.traceparent }
}

export const userRegistered = (tx: Tx, userId: string, cause?: Cause): Promise<void> =>
  appendOutbox(tx, [record('identity.user.registered', userId, UserRegisteredSchema, { userId }, cause)])

export type SignedIn = { userId: string; sessionId: string; newDevice: boolean; device: Device; now: Date }

export function userLoggedIn(
  tx: Tx,
  { userId, sessionId, newDevice, device, now }: SignedIn,
  cause: Cause,
): Promise<void> {
  const { address, userAgent } = device
  const event = { userId, sessionId, newDevice, address, userAgent, time: timestampFromDate(now) }
  return appendOutbox(tx, [record('identity.user.login', userId, UserLoggedInSchema, event, cause)])
}

export function passwordChanged(tx: Tx, userId: string, now: Date, cause: Cause): Promise<void> {
  const event = { userId, time: timestampFromDate(now) }
  return appendOutbox(tx, [record('identity.password.changed', userId, PasswordChangedSchema, event, cause)])
}

/** Tells every service to refuse the access tokens of these sessions from now on. */
export const sessionsRevoked = (tx: Tx, ended: readonly EndedSession[], cause: Cause): Promise<void> =>
  appendOutbox(
    tx,
    ended.map(({ id, userId, tokensExpireAt }) => {
      const event = { sessionId: id, userId, tokensExpireAt: timestampFromDate(tokensExpireAt) }
      return record('identity.session.revoked', userId, SessionRevokedSchema, event, cause)
    }),
  )
