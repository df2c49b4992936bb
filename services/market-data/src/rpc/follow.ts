import type { Subscription } from '../live/channel.ts'

/** What is there now, then everything that comes; gives the subscription up however the stream ends. */
export async function* follow<T, R>(
  subscription: Subscription<T>,
  now: () => Promise<Iterable<R>> | Iterable<R>,
  encode: (item: T) => Iterable<R>,
): AsyncGenerator<R> {
  try {
    yield* await now()
    for await (const item of subscription) yield* encode(item)
  } finally {
    subscription.close()
  }
}
