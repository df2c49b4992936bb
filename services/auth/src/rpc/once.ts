import { type CallContext, userOf } from '@bitka/mesh'
import { idempotent, readIdempotencyKey, type Tx } from '@bitka/store'
import {
  create,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import type { AuthContext } from '../context.ts'

const KEPT_MS = 24 * 60 * 60_000

type Schemas<I extends DescMessage, O extends DescMessage> = { input: I; output: O }

/**
 * Runs one transaction, once for an idempotency key: a repeat gets the first outcome. The request's fingerprint is keyed,
 * since a request here may hold a password.
 */
export function once<I extends DescMessage, O extends DescMessage>(
  { db, clock, vault }: AuthContext,
  call: CallContext,
  { input, output }: Schemas<I, O>,
  request: MessageShape<I> & Message,
  run: (tx: Tx) => Promise<MessageInitShape<O>>,
): Promise<MessageShape<O>> {
  const answer = async (tx: Tx): Promise<MessageShape<O>> => create(output, await run(tx))
  const key = readIdempotencyKey(call.idempotencyKey)
  if (key === undefined) return db.transaction(answer)
  const claim = {
    scope: call.method,
    userId: userOf(call).userId,
    key,
    requestHash: vault.fingerprint(call.method, toBinary(input, request)),
    ttlMs: KEPT_MS,
    now: clock.now(),
  }
  const codec = {
    encode: (message: MessageShape<O>) => toBinary(output, message),
    decode: (bytes: Uint8Array) => fromBinary(output, bytes),
  }
  return db.transaction((tx) => idempotent(tx, claim, () => answer(tx), codec))
}
