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

/** Encodes what many readers get once for all of them. */
export function shared<T extends object, A extends unknown[], R>(
  encode: (item: T, ...context: A) => R,
): (item: T, ...context: A) => R {
  const known = new WeakMap<T, R>()
  return (item, ...context) => {
    const found = known.get(item)
    if (found !== undefined) return found
    const encoded = encode(item, ...context)
    known.set(item, encoded)
    return encoded
  }
}
