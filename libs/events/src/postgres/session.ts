import { type Logger, Loop } from '@bitka/kernel'
import pg from 'pg'
import { oneAtATime } from '../one-at-a-time.ts'

/** The fallback when a NOTIFY got lost: its sender may die between the append and it. */
const POLL_MS = 250
/** How often an otherwise idle session proves that it still lives, and with it the locks it holds. */
const PROBE_MS = 1_000

type Waiter = { topic: string; partition: number; from: bigint; wake: () => void }

export type SessionOptions = { url: string; applicationName: string; logger: Logger }

/** What is known of a partition. `end` is undefined when there was news since it was last read to its end. */
type Place = { version: number; end: bigint | undefined }

const channelOf = (topic: string): string => `log ${topic}`

/**
 * The one connection of an event log on which it listens, announces and holds its partitions. All waiting readers of the
 * log share it. It comes back by itself; the locks do not, and their holders are told.
 */
export class Session {
  private client: pg.Client | undefined
  private readonly waiters = new Set<Waiter>()
  /** Topics whose channel is listened to on the present connection. */
  private readonly listening = new Set<string>()
  private readonly places = new Map<string, Place>()
  private readonly news = new Map<string, Map<number, bigint>>()
  private announcing: Promise<void> | undefined
  private readonly held = new Set<string>()
  private readonly lostListeners = new Set<() => void>()
  private probedMs = 0
  private readonly inTurn = oneAtATime()
  private readonly loop: Loop

  constructor(private readonly options: SessionOptions) {
    const name = `${options.applicationName}.session`
    this.loop = new Loop({ name, intervalMs: POLL_MS, log: options.logger }, () => this.tick())
  }

  /** Told when the connection, and so every lock, is gone. */
  onLost(listener: () => void): () => void {
    this.lostListeners.add(listener)
    return () => this.lostListeners.delete(listener)
  }

  /** Changes with every piece of news about the partition: take it before a read, give it to `waitFor` after. */
  version(topic: string, partition: number): number {
    return this.place(topic, partition).version
  }

  /** True when nothing but an end at `from` is known of the partition. */
  endsAt(topic: string, partition: number, from: bigint): boolean {
    return this.listening.has(topic) && this.place(topic, partition).end === from
  }

  /** A read found the partition's end, unless there was news while it ran. */
  sawEnd(topic: string, partition: number, end: bigint, version: number): void {
    const place = this.place(topic, partition)
    if (place.version === version) place.end = end
  }

  /** Resolves when there is news since `version`, after `ms`, or when the signal aborts. */
  async waitFor(
    where: { topic: string; partition: number; from: bigint; version: number },
    ms: number,
    signal?: AbortSignal,
  ) {
    const { topic, partition, from, version } = where
    if (signal?.aborted || this.place(topic, partition).version !== version) return
    await new Promise<void>((resolve) => {
      const waiter: Waiter = { topic, partition, from, wake }
      const timer = setTimeout(wake, ms)
      signal?.addEventListener('abort', wake, { once: true })
      this.waiters.add(waiter)
      if (!this.listening.has(topic)) this.loop.wake()
      const { waiters } = this
      function wake(): void {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        waiters.delete(waiter)
        resolve()
      }
    })
  }

  /**
   * Tells every process. In a transaction of its own that does not wait for the disk: a NOTIFY holds a lock of the whole
   * database until its commit is over, so inside the append it would let one append commit at a time.
   */
  announce(topic: string, partition: number, end: bigint): void {
    this.stir(topic, partition)
    const ends = this.news.get(topic) ?? new Map<number, bigint>()
    this.news.set(topic, ends)
    if (end > (ends.get(partition) ?? -1n)) ends.set(partition, end)
    this.announcing ??= this.sendNews().finally(() => {
      this.announcing = undefined
    })
  }

  /** Takes what is free of the named locks; answers those taken. They last until unlocked or until the connection ends. */
  async tryLock(names: string[]): Promise<string[]> {
    // The database would give one session the same lock twice.
    const wanted = names.filter((name) => !this.held.has(name))
    if (wanted.length === 0) return []
    const client = await this.connected()
    const { rows } = await this.query<{ name: string }>(
      client,
      'select name from unnest($1::text[]) as wanted (name) where pg_try_advisory_lock(hashtextextended(name, 0))',
      [wanted],
    )
    // The connection may have ended in between, and the locks with it.
    if (client !== this.client) return []
    for (const { name } of rows) this.held.add(name)
    return rows.map(({ name }) => name)
  }

  async unlock(name: string): Promise<void> {
    if (!this.held.delete(name)) return
    if (!this.client) return
    await this.query(this.client, 'select pg_advisory_unlock(hashtextextended($1, 0))', [name]).catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.announcing
    await this.loop.stop()
    for (const waiter of [...this.waiters]) waiter.wake()
    this.lostListeners.clear()
    const { client } = this
    this.client = undefined
    await client?.end().catch(() => undefined)
  }

  private async sendNews(): Promise<void> {
    // What is announced meanwhile goes out in the next round, as one.
    while (this.news.size > 0) {
      const channels = [...this.news.keys()].map(channelOf)
      const payloads = [...this.news.values()].map((ends) => [...ends].map(([p, end]) => `${p}:${end}`).join(' '))
      this.news.clear()
      try {
        const client = await this.connected()
        await this.query(
          client,
          'select pg_notify(channel, payload) from unnest($1::text[], $2::text[]) as n (channel, payload)',
          [channels, payloads],
        )
      } catch (error) {
        // Readers poll.
        this.options.logger.debug({ err: error }, 'an append could not be announced')
      }
    }
  }

  private connecting: Promise<pg.Client> | undefined

  private connected(): Promise<pg.Client> {
    if (this.client) return Promise.resolve(this.client)
    this.connecting ??= this.connect().finally(() => {
      this.connecting = undefined
    })
    return this.connecting
  }

  private async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.options.url,
      application_name: `${this.options.applicationName} session`,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
      // A machine that vanished must give its partitions up within seconds.
      options:
        '-c synchronous_commit=off -c search_path=event_log,pg_temp' +
        ' -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3',
    })
    const lose = (): void => this.lose(client)
    client.on('error', lose)
    client.on('end', lose)
    client.on('notification', ({ channel, payload }) => this.hear(channel, payload ?? ''))
    await client.connect()
    this.client = client
    return client
  }

  private lose(client: pg.Client): void {
    if (client !== this.client) return
    this.client = undefined
    this.listening.clear()
    this.held.clear()
    this.options.logger.warn('the log session was lost; connecting again')
    client.end().catch(() => undefined)
    for (const listener of this.lostListeners) listener()
    this.loop.wake()
  }

  private query<R extends pg.QueryResultRow>(
    client: pg.Client,
    sql: string,
    params: unknown[] = [],
  ): Promise<pg.QueryResult<R>> {
    return this.inTurn(() => client.query<R>(sql, params))
  }

  private place(topic: string, partition: number): Place {
    const key = `${topic}/${partition}`
    const known = this.places.get(key)
    if (known) return known
    const made = { version: 0, end: undefined }
    this.places.set(key, made)
    return made
  }

  private stir(topic: string, partition: number): void {
    const place = this.place(topic, partition)
    place.version += 1
    place.end = undefined
    for (const waiter of this.waiters) if (waiter.topic === topic && waiter.partition === partition) waiter.wake()
  }

  /** Any role may NOTIFY, so what it says is only a reason to look: a lie costs one empty read. */
  private hear(channel: string, payload: string): void {
    const topic = channel.slice(channelOf('').length)
    for (const [, partition, end] of payload.matchAll(/\b([0-9]{1,9}):([0-9]{1,18})\b/g)) {
      const known = this.places.get(`${topic}/${partition}`)
      // Our own news comes back to us when it has long been read.
      if (known && !(known.end !== undefined && known.end >= BigInt(end ?? 0))) this.stir(topic, Number(partition))
    }
  }

  private async tick(): Promise<void> {
    const waiting = [...new Set([...this.waiters].map(({ topic }) => topic))]
    const mustProbe = this.held.size > 0 && performance.now() - this.probedMs > PROBE_MS
    if (waiting.length === 0 && !mustProbe) return
    let client: pg.Client | undefined
    try {
      client = await this.connected()
      for (const topic of waiting) {
        if (this.listening.has(topic)) continue
        await this.query(client, `listen ${pg.escapeIdentifier(channelOf(topic))}`)
        this.listening.add(topic)
      }
      const { rows } = await this.query<{ o_topic: string; o_partition: number; o_next_offset: string }>(
        client,
        'select o_topic, o_partition, o_next_offset from event_log.topic_ends($1)',
        [waiting],
      )
      this.probedMs = performance.now()
      const ends = new Map(rows.map((row) => [`${row.o_topic}/${row.o_partition}`, BigInt(row.o_next_offset)]))
      for (const { topic, partition, from } of [...this.waiters]) {
        if ((ends.get(`${topic}/${partition}`) ?? 0n) > from) this.stir(topic, partition)
      }
    } catch (error) {
      this.options.logger.debug({ err: error }, 'looking at the ends of topics failed')
      // A query that timed out leaves a connection that nobody can trust.
      if (client) this.lose(client)
    }
  }
}
