/** A message to a client, as the bytes of its JSON. Encoded once and sent to all. */
export const frame = (content: object): Buffer => Buffer.from(JSON.stringify(content))

/**
 * What waits for a slow reader of one channel. It holds the newest state, not every step to it, so it stays small however
 * long the reader takes.
 */
export type Pending = {
  /** The frames that bring the reader up to date. */
  render(): Buffer[]
  /** Roughly how many bytes it keeps. */
  readonly bytes: number
}

/** Something that happened in a channel. */
export type FeedEvent = {
  /** For a reader that keeps up. */
  readonly bytes: Buffer
  /** For one that does not: joined to what waits already. */
  merge(pending: Pending | undefined): Pending
}
