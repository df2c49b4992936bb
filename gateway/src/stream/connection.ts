import { DomainError, type Logger } from '@bitka/kernel'
import type { UserIdentity, VerifyToken } from '@bitka/mesh'
import type { RawData, WebSocket } from 'ws'
import type { SessionWatch } from '../edge/session-watch.ts'
import { toAnswer } from '../rest/errors.ts'
import { type Topic, topicKey } from './feed.ts'
import type { Feeds } from './feeds.ts'
import { frame } from './frame.ts'
import { type ClientMessage, type MessageId, messageId, parseFrame, parseMessage } from './messages.ts'
import { Outbox, type OutboxOptions } from './outbox.ts'
import { PrivateChannel, type PrivateChannelName, type PrivateSources } from './private-channel.ts'
import { MessageRate } from './rate.ts'

export type ConnectionOptions = {
  feeds: Feeds
  sources: PrivateSources
  verify: VerifyToken
  sessions: SessionWatch
  /** Public channels need a token too. */
  marketDataNeedsUser: boolean
  subscriptionsMax: number
  messagesPerSecond: number
  outbox: Omit<OutboxOptions, 'onDropped'>
  onDropped: () => void
  /**
   * Takes what costs a service something, and may be asked for without end, from the budget of the peer's address: unknown
   * markets and bad tokens. @throws Refusal 429
   */
  charge: (address: string) => Promise<unknown>
}

/** Who connected, from where. */
export type Peer = { address: string; userAgent?: string }

/** A flood is the one thing that closes a connection from our side (RFC 6455: policy violation). */
const CLOSE_FLOOD = 1008
const CLOSE_WAIT_MS = 1_000

type Answer = { type: string; id?: MessageId; channel?: string; symbol?: string; interval?: string }

/** One WebSocket: what it says, what it listens to, and who is signed in on it. */
export class Connection {
  private readonly outbox: Outbox
  private readonly rate: MessageRate
  private readonly topics = new Map<string, () => void>()
  private readonly channels = new Map<PrivateChannelName, PrivateChannel>()
  private session: { user: UserIdentity; token: string; live: boolean; unwatch: () => void } | undefined
  /** Messages are answered in the order in which they came. */
  private queue: Promise<void> = Promise.resolve()
  private ended = false

  constructor(
    private readonly socket: WebSocket,
    private readonly peer: Peer,
    private readonly options: ConnectionOptions,
    private readonly log: Logger,
  ) {
    this.outbox = new Outbox(socket, { ...options.outbox, onDropped: options.onDropped })
    this.rate = new MessageRate(options.messagesPerSecond)
    socket.on('message', (data, isBinary) => this.onMessage(data, isBinary))
  }

  /** Leaves everything; the socket is closed or about to be. */
  end(): void {
    this.ended = true
    this.outbox.close()
    for (const leave of this.topics.values()) leave()
    this.topics.clear()
    this.dropChannels()
    this.session?.unwatch()
  }

  private onMessage(data: RawData, isBinary: boolean): void {
    if (this.ended) return
    if (!this.rate.take()) {
      if (this.rate.flooding) {
        this.end()
        this.socket.close(CLOSE_FLOOD, 'too many messages')
        // A peer that floods need not be waited for.
        setTimeout(() => this.socket.terminate(), CLOSE_WAIT_MS).unref()
      } else this.refuse(undefined, new DomainError('rate_limited', 'Too many messages.'))
      return
    }
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
    this.queue = this.queue.then(() => this.handle(bytes, isBinary))
  }

  private async handle(bytes: Buffer, isBinary: boolean): Promise<void> {
    let id: MessageId | undefined
    try {
      if (isBinary) throw new DomainError('invalid', 'Only text frames are understood.')
      const input = parseFrame(bytes.toString('utf8'))
      id = messageId(input)
      await this.answer(parseMessage(input), id)
    } catch (error) {
      this.refuse(id, error)
    }
  }

  private async answer(message: ClientMessage, id: MessageId | undefined): Promise<void> {
    if (message.op === 'ping') this.reply({ type: 'pong', id })
    else if (message.op === 'auth') await this.authenticate(message.token, id)
    else if ('topic' in message) {
      if (message.op === 'subscribe') await this.subscribe(message.topic, id)
      else this.unsubscribe(message.topic, id)
    } else if (message.op === 'subscribe') this.subscribePrivate(message.privateChannel, message.sinceFillId, id)
    else {
      this.channels.get(message.privateChannel)?.pause()
      this.channels.delete(message.privateChannel)
      this.reply({ type: 'unsubscribed', id, channel: message.privateChannel })
    }
  }

  private async subscribe(topic: Topic, id: MessageId | undefined): Promise<void> {
    const { feeds, marketDataNeedsUser } = this.options
    if (marketDataNeedsUser) this.currentSession()
    const key = topicKey(topic)
    if (!this.topics.has(key)) this.checkRoom()
    if (!feeds.knows(topic.symbol)) {
      await this.options.charge(this.peer.address)
      await feeds.checkSymbol(topic.symbol)
    }
    if (this.ended) return
    this.reply({ type: 'subscribed', id, ...placeOf(topic) })
    const listener = (event: Parameters<Outbox['publish']>[1]): void => this.outbox.publish(key, event)
    // Subscribing again is how a client that lost track asks for the state.
    if (this.topics.has(key)) feeds.resync(topic, listener)
    else this.topics.set(key, feeds.join(topic, listener))
  }

  private unsubscribe(topic: Topic, id: MessageId | undefined): void {
    const key = topicKey(topic)
    this.topics.get(key)?.()
    this.topics.delete(key)
    this.outbox.forget(key)
    this.reply({ type: 'unsubscribed', id, ...placeOf(topic) })
  }

  private subscribePrivate(name: PrivateChannelName, sinceFillId: string | undefined, id: MessageId | undefined): void {
    this.currentSession()
    if (!this.channels.has(name)) this.checkRoom()
    this.channels.get(name)?.pause()
    const channel = new PrivateChannel({
      name,
      sources: this.options.sources,
      token: () => this.currentSession().token,
      edge: { clientAddress: this.peer.address, userAgent: this.peer.userAgent },
      sinceFillId,
      send: (bytes) => this.outbox.send(bytes),
      onRefused: (error) => {
        if (this.channels.get(name) === channel) this.onChannelRefused(name, error)
      },
      log: this.log,
    })
    this.channels.set(name, channel)
    this.reply({ type: 'subscribed', id, channel: name })
    channel.start()
  }

  /** A service would not go on. Where only the token was at fault the channel waits for a new one. */
  private onChannelRefused(name: PrivateChannelName, error: DomainError): void {
    if (error.kind !== 'unauthenticated') this.channels.delete(name)
    else this.channels.get(name)?.pause()
    this.refuse(undefined, error, { channel: name })
  }

  private async authenticate(token: string, id: MessageId | undefined): Promise<void> {
    const user = await this.verify(token)
    if (this.ended) return
    const before = this.session
    before?.unwatch()
    const session = { user, token, live: true, unwatch: this.options.sessions.watch(user, () => this.onSessionEnd()) }
    this.session = session
    if (before && before.user.userId !== user.userId) this.dropChannels()
    this.reply({ type: 'authenticated', id })
    // What stopped with the old token goes on with the new one.
    if (before && !before.live) for (const channel of this.channels.values()) channel.start()
  }

  private async verify(token: string): Promise<UserIdentity> {
    try {
      return await this.options.verify(token)
    } catch (error) {
      await this.options.charge(this.peer.address)
      throw error
    }
  }

  private onSessionEnd(): void {
    if (!this.session) return
    this.session.live = false
    const error = new DomainError('unauthenticated', 'The access token has expired.')
    for (const [name, channel] of this.channels) {
      channel.pause()
      this.refuse(undefined, error, { channel: name })
    }
    if (!this.options.marketDataNeedsUser) return
    for (const [key, leave] of this.topics) {
      leave()
      this.outbox.forget(key)
    }
    if (this.topics.size > 0) this.refuse(undefined, error)
    this.topics.clear()
  }

  /** @throws DomainError unauthenticated */
  private currentSession(): { token: string } {
    if (!this.session?.live) throw new DomainError('unauthenticated', 'Send an access token in an auth message first.')
    return this.session
  }

  private checkRoom(): void {
    if (this.topics.size + this.channels.size < this.options.subscriptionsMax) return
    throw new DomainError('rate_limited', `A connection holds at most ${this.options.subscriptionsMax} subscriptions.`)
  }

  private dropChannels(): void {
    for (const channel of this.channels.values()) channel.pause()
    this.channels.clear()
  }

  private reply(answer: Answer): void {
    this.outbox.send(frame(answer))
  }

  private refuse(id: MessageId | undefined, error: unknown, place: { channel?: string } = {}): void {
    const { code, message, details } = toAnswer(error, this.log)
    this.outbox.send(frame({ type: 'error', id, ...place, code, message, ...(details && { details }) }))
  }
}

const placeOf = (topic: Topic): Pick<Answer, 'channel' | 'symbol' | 'interval'> => ({
  channel: topic.channel,
  symbol: topic.symbol,
  ...(topic.channel === 'candles' && { interval: topic.interval }),
})
