import type { WebSocket } from 'ws'
import type { FeedEvent, Pending } from './frame.ts'

export type OutboxOptions = {
  /** Unsent bytes from which the reader counts as slow. */
  slowBytes: number
  /** Unsent bytes at which it is dropped. */
  dropBytes: number
  /** How long it may stay slow. */
  slowMs: number
  onDropped: () => void
}

/** Application-defined: the reader was too slow. */
const CLOSE_SLOW = 4008
/** A peer that does not read will not answer the close either. */
const CLOSE_WAIT_MS = 1_000

/**
 * What goes to one client. While the client keeps up, frames go out as they come. When it does not, the newest state of each
 * channel is kept and sent when there is room; when even that does not help, the client is dropped. Memory stays bounded.
 */
export class Outbox {
  private readonly waiting = new Map<string, Pending>()
  private slowSinceMs: number | undefined
  private closed = false

  constructor(
    private readonly socket: WebSocket,
    private readonly options: OutboxOptions,
  ) {}

  /** Sends a frame of a channel that may be merged. */
  publish(key: string, event: FeedEvent): void {
    if (this.closed) return
    if (!this.isSlow && this.waiting.size === 0) {
      this.write(event.bytes)
      return
    }
    this.waiting.set(key, event.merge(this.waiting.get(key)))
    this.slowSinceMs ??= performance.now()
    if (this.isHopeless()) this.drop()
  }

  /** Sends a frame that has to arrive as it is: answers and private channels. */
  send(bytes: Buffer): void {
    if (this.closed) return
    this.write(bytes)
    if (this.isHopeless()) this.drop()
  }

  /** Forgets what waits of a channel. */
  forget(key: string): void {
    this.waiting.delete(key)
  }

  close(): void {
    this.closed = true
    this.waiting.clear()
  }

  private get isSlow(): boolean {
    return this.socket.bufferedAmount > this.options.slowBytes
  }

  private isHopeless(): boolean {
    const { dropBytes, slowMs } = this.options
    let bytes = this.socket.bufferedAmount
    for (const pending of this.waiting.values()) bytes += pending.bytes
    return bytes > dropBytes || (this.slowSinceMs !== undefined && performance.now() - this.slowSinceMs > slowMs)
  }

  private write(bytes: Buffer): void {
    this.socket.send(bytes, { binary: false }, this.onWritten)
  }

  /** The network has taken something: there may be room again. */
  private readonly onWritten = (): void => {
    if (this.closed || this.isSlow) return
    for (const [key, pending] of this.waiting) {
      this.waiting.delete(key)
      for (const bytes of pending.render()) this.write(bytes)
      if (this.isSlow) return
    }
    this.slowSinceMs = undefined
  }

  private drop(): void {
    const { socket } = this
    this.close()
    this.options.onDropped()
    socket.close(CLOSE_SLOW, 'too slow')
    setTimeout(() => socket.terminate(), CLOSE_WAIT_MS).unref()
  }
}
