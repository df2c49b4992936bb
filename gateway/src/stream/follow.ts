import { setTimeout as pause } from 'node:timers/promises'
import { DomainError, type ErrorKind, type Logger } from '@bitka/kernel'

const PAUSE_MS_MIN = 200
const PAUSE_MS_MAX = 5_000

/** Asking again with the same token would get the same answer. */
export const FINAL: readonly ErrorKind[] = ['invalid', 'unauthenticated', 'forbidden', 'not_found']

export type FollowOptions<M> = {
  /** For the log. */
  name: string
  open: (signal: AbortSignal) => AsyncIterable<M>
  /** A throw ends this stream, and a new one begins. */
  onMessage: (message: M) => void
  /** Refusals that end the following; none unless given. */
  final?: readonly ErrorKind[]
  signal: AbortSignal
  log: Logger
}

/**
 * Follows a stream of a service, opening it again with growing pauses when it ends. Resolves when the signal fires.
 * @throws DomainError of a final kind
 */
export async function follow<M>(options: FollowOptions<M>): Promise<void> {
  const { name, open, onMessage, final = [], signal, log } = options
  let failures = 0
  while (!signal.aborted) {
    try {
      for await (const message of open(signal)) {
        if (signal.aborted) return
        onMessage(message)
        failures = 0
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof DomainError && final.includes(error.kind)) throw error
      // Once for a failure, not once for each attempt.
      if (failures === 0) log.warn({ err: error, stream: name }, 'a stream broke; it is opened again')
    }
    failures += 1
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
    await pause(pauseMs, undefined, { signal }).catch(() => {})
  }
}
