import { randomUUID } from 'node:crypto'
import { type Logger, Loop } from '@bitka/kernel'
import type { PoolClient } from 'pg'
import type { Db } from './db.ts'

export type HintsOptions = {
  db: Db
  log: Logger
  /** Gets the keys that another process of the service has sent; each is up to 200 visible ASCII characters. */
  onHints: (keys: string[]) => void
}

/** Wake-up calls to the other processes of one service. */
export type Hints = {
  /** Tells them that something behind these keys has changed. Call it after the commit. Never throws and never waits. */
  send(keys: readonly string[]): void
  stop(): Promise<void>
}

/** Keys wait this long, so that a busy moment is one message. */
const GATHER_MS = 10
const HELLO_MS = 2_000
/** Another process is believed to be there for so long after its last hello. */
const PEER_TTL_MS = 3 * HELLO_MS
/** PostgreSQL refuses a payload of 8,000 bytes. */
const PAYLOAD_CHARS = 7_500

type Message = { from: string; keys?: string[] }

/**
 * Opens the channel, by PostgreSQL's LISTEN and NOTIFY in the service's own schema. A hint may get lost or come twice, and
 * anybody with the database may send one: whoever gets it looks at the rows, which he does from time to time anyway. Sent
 * apart from the commit, since NOTIFY in a transaction makes the commits of all wait for each other; not sent at all while
 * nobody else listens.
 */
export function openHints(options: HintsOptions): Hints {
  return new Channel(options)
}

class Channel implements Hints {
  private readonly self = randomUUID()
  /** Process → when it was last heard. */
  private readonly peers = new Map<string, number>()
  private readonly waiting = new Set<string>()
  private readonly loop: Loop
  private client: PoolClient | undefined
  private timer: NodeJS.Timeout | undefined
  private sending: Promise<void> = Promise.resolve()
  private stopped = false

  constructor(private readonly options: HintsOptions) {
    this.loop = new Loop({ name: 'hints', intervalMs: HELLO_MS, log: options.log }, () => this.hello())
  }

  send(keys: readonly string[]): void {
    if (this.stopped || !this.hasPeers()) return
    for (const key of keys) this.waiting.add(key)
    if (this.waiting.size > 0) this.timer ??= setTimeout(() => this.flush(), GATHER_MS)
  }

  async stop(): Promise<void> {
    this.stopped = true
    clearTimeout(this.timer)
    await this.loop.stop()
    await this.sending
    this.disconnect()
  }

  private hasPeers(): boolean {
    const since = performance.now() - PEER_TTL_MS
    for (const [peer, heardMs] of this.peers) if (heardMs < since) this.peers.delete(peer)
    return this.peers.size > 0
  }

  private flush(): void {
    this.timer = undefined
    const payloads = pack([...this.waiting]).map((keys) => JSON.stringify({ from: this.self, keys } satisfies Message))
    this.waiting.clear()
    this.sending = this.sending
      .then(() => this.notify(payloads))
      .catch(() => {
        // Lost, as a hint may be: those that wait look by themselves.
      })
  }

  private async notify(payloads: readonly string[]): Promise<void> {
    await this.options.db.query(
      `select pg_notify('hints ' || current_schema(), payload) from unnest($1::text[]) as payload`,
      [payloads],
    )
  }

  /** Listens, and says that it does. */
  private async hello(): Promise<void> {
    try {
      if (!this.client) await this.connect()
      await this.notify([JSON.stringify({ from: this.self } satisfies Message)])
    } catch (error) {
      this.disconnect()
      this.options.log.debug({ err: error }, 'hints are not heard now; waiting streams look by themselves')
    }
  }

  private async connect(): Promise<void> {
    const client = await this.options.db.pool.connect()
    this.client = client
    client.on('error', this.lost)
    client.on('notification', this.heard)
    await client.query(`do $$ begin execute format('listen %I', 'hints ' || current_schema()); end $$`)
  }

  private readonly lost = (): void => this.disconnect()

  private disconnect(): void {
    const { client } = this
    this.client = undefined
    if (!client) return
    client.off('error', this.lost)
    client.off('notification', this.heard)
    client.on('error', () => {})
    client.release(true)
  }

  private readonly heard = ({ payload }: { payload?: string | undefined }): void => {
    const message = parse(payload)
    if (!message || message.from === this.self) return
    const isNew = !this.peers.has(message.from)
    this.peers.set(message.from, performance.now())
    // Whoever has just come hears of us at once.
    if (isNew) this.loop.wake()
    if (message.keys && message.keys.length > 0) this.options.onHints(message.keys)
  }
}

/** Keys in groups that fit into a message. */
function pack(keys: readonly string[]): string[][] {
  const groups: string[][] = []
  let room = 0
  for (const key of keys) {
    const size = JSON.stringify(key).length + 1
    if (size > room) {
      groups.push([])
      room = PAYLOAD_CHARS
    }
    room -= size
    groups.at(-1)?.push(key)
  }
  return groups
}

function parse(payload: string | undefined): Message | undefined {
  try {
    const { from, keys } = JSON.parse(payload ?? '') as { from?: unknown; keys?: unknown }
    if (typeof from !== 'string') return undefined
    const isKeys = Array.isArray(keys) && keys.every((key) => typeof key === 'string')
    return isKeys ? { from, keys } : { from }
  } catch {
    return undefined
  }
}
