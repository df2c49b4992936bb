import type { handleServerStreamingCall, handleUnaryCall, ServerWritableStream, UntypedHandleCall } from '@grpc/grpc-js'
import type { MeshMethod } from './bridge.ts'
import { toStatus } from './errors.ts'
import { type CallEnvironment, ServerCall } from './server-call.ts'
import type { CallContext, MethodPolicy } from './types.ts'

/** A handler without its types; `implement` has checked them. */
export type AnyHandler = (request: object, context: CallContext) => Promise<object> | AsyncIterable<object>

const isStream = (answer: Promise<object> | AsyncIterable<object>): answer is AsyncIterable<object> =>
  Symbol.asyncIterator in answer

/** Wraps a handler in everything that surrounds a call. It answers bytes: what cannot be encoded fails here, and is logged. */
export function toHandler(
  method: MeshMethod,
  handler: AnyHandler,
  policy: MethodPolicy,
  env: () => CallEnvironment,
): UntypedHandleCall {
  return method.responseStream
    ? streamHandler(method, handler, policy, env)
    : unaryHandler(method, handler, policy, env)
}

function unaryHandler(
  { desc, responseSerialize: serialize }: MeshMethod,
  handler: AnyHandler,
  policy: MethodPolicy,
  env: () => CallEnvironment,
): handleUnaryCall<object, Buffer> {
  return async (grpcCall, callback) => {
    const call = new ServerCall(grpcCall, desc, env())
    const { signal } = call.controller
    // A handler that does not listen to its signal must not hold up the answer.
    const stopped = aborted(signal)
    try {
      const context = await call.authorize(policy)
      const answer = handler(grpcCall.request, context)
      if (isStream(answer)) throw new Error(`${desc.name} answered a stream`)
      const response = serialize(await Promise.race([answer, stopped.promise]))
      call.end('ok')
      callback(null, response)
    } catch (error) {
      const refusal = call.fail(error)
      if (refusal) callback(toStatus(refusal))
    } finally {
      stopped.release()
    }
  }
}

function streamHandler(
  { desc, responseSerialize: serialize }: MeshMethod,
  handler: AnyHandler,
  policy: MethodPolicy,
  env: () => CallEnvironment,
): handleServerStreamingCall<object, Buffer> {
  return async (grpcCall) => {
    const call = new ServerCall(grpcCall, desc, env())
    const stopped = aborted(call.controller.signal)
    let items: AsyncIterator<object> | undefined
    try {
      const context = await call.authorize(policy)
      const answer = handler(grpcCall.request, context)
      if (!isStream(answer)) throw new Error(`${desc.name} did not answer a stream`)
      items = answer[Symbol.asyncIterator]()
      for (;;) {
        const next = await Promise.race([items.next(), stopped.promise])
        if (next.done) break
        if (!grpcCall.write(serialize(next.value))) await Promise.race([drained(grpcCall), stopped.promise])
      }
      call.end('ok')
      grpcCall.end()
    } catch (error) {
      const refusal = call.fail(error)
      if (refusal) grpcCall.emit('error', toStatus(refusal))
      // Not awaited: a generator that waits for something else ends when that does.
      items?.return?.().catch((ending: unknown) => call.log.debug({ err: ending }, 'a stream ended badly'))
    } finally {
      stopped.release()
    }
  }
}

const drained = (call: ServerWritableStream<object, Buffer>): Promise<void> =>
  new Promise((resolve) => call.once('drain', () => resolve()))

/** Rejects when the signal fires; `release` lets go of it. */
function aborted(signal: AbortSignal): { promise: Promise<never>; release: () => void } {
  let onAbort = () => {}
  const promise = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  // Whoever races it hears of it; without a race there is nobody to tell.
  promise.catch(() => {})
  return { promise, release: () => signal.removeEventListener('abort', onAbort) }
}
