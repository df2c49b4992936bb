import { BitkaApiError, type ErrorCode } from '../errors.ts'
import type { AnswerFrame, DataFrame, ErrorFrame, ServerFrame } from '../types/frames.ts'
import type { Topic } from './channels.ts'
import { type Deferred, deferred } from './deferred.ts'
import type { WebSocketLike } from './web-socket.ts'

export type ConnectionEvents = {
  onOpen(): void
  onData(frame: DataFrame): void
  /** An error that answers nothing we said. */
  onError(frame: ErrorFrame): void
  onClose(code: number): void
}

type Said = { op: 'subscribe' | 'unsubscribe' } & Topic
type Message = Said | { op: 'auth'; token: string } | { op: 'ping' }
type Waiting = Omit<Deferred<AnswerFrame>, 'promise'>

/** One WebSocket: what we say gets an answer, everything else goes to the events. */
export class Connection {
  private readonly waiting = new Map<number, Waiting>()
  private lastId = 0
  private closed = false

  constructor(
    private readonly socket: WebSocketLike,
    private readonly events: ConnectionEvents,
  ) {
    socket.addEventListener('open', () => {
      if (!this.closed) events.onOpen()
    })
    socket.addEventListener('message', (event) => this.onMessage(String((event as { data: unknown }).data)))
    socket.addEventListener('close', (event) => this.onClosed((event as { code: number }).code))
    // A close always follows.
    socket.addEventListener('error', () => {})
  }

  /** Says something and waits for its answer. @throws BitkaApiError */
  ask(message: Message): Promise<AnswerFrame> {
    const { promise, resolve, reject } = deferred<AnswerFrame>()
    if (this.closed) {
      reject(connectionLost())
      return promise
    }
    this.lastId += 1
    this.waiting.set(this.lastId, { resolve, reject })
    this.socket.send(JSON.stringify({ ...message, id: this.lastId }))
    return promise
  }

  /** Ends it from our side; `onClose` is called at once, since a dead peer never answers. */
  close(): void {
    this.socket.close(1000)
    this.onClosed(1000)
  }

  private onMessage(text: string): void {
    if (this.closed) return
    const frame = JSON.parse(text) as ServerFrame
    const waiting = 'id' in frame && typeof frame.id === 'number' ? this.waiting.get(frame.id) : undefined
    if (waiting && 'id' in frame) this.waiting.delete(Number(frame.id))
    if (frame.type === 'error') {
      if (waiting) waiting.reject(errorOf(frame))
      else this.events.onError(frame)
    } else if (isAnswer(frame)) waiting?.resolve(frame)
    else this.events.onData(frame)
  }

  private onClosed(code: number): void {
    if (this.closed) return
    this.closed = true
    for (const { reject } of this.waiting.values()) reject(connectionLost())
    this.waiting.clear()
    this.events.onClose(code)
  }
}

const isAnswer = (frame: Exclude<ServerFrame, ErrorFrame>): frame is AnswerFrame =>
  ['subscribed', 'unsubscribed', 'authenticated', 'pong'].includes(frame.type)

export const errorOf = ({ code, message, details }: ErrorFrame): BitkaApiError =>
  new BitkaApiError({ code: code as ErrorCode, message, details: details as BitkaApiError['details'] })

const connectionLost = (): BitkaApiError =>
  new BitkaApiError({ code: 'CONNECTION_FAILED', message: 'The connection to the stream was lost.' })
