import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import type { Logger } from '@bitka/kernel'
import { FrameCounter, PROBE_REQUEST } from './frames.ts'
import type { KafkaTls } from './tls.ts'

type Options = { host: string; port: number; tls: () => KafkaTls; logger: Logger }
type Line = { socket: TLSSocket; cert: string; expiresAtMs: number }

/** Whether there is a newer certificate is asked each time this part of the old one's remaining life has passed. */
const LOOK_PART = 0.1
/** Up to this much more, so that not all connections of a mesh are renewed at once. */
const LOOK_SPREAD = 0.1
const LOOK_MS_MAX = 3_600_000
const LOOK_MS_MIN = 50
const KEEP_ALIVE_MS = 60_000
/** Longer than a broker takes for any answer that we wait for. */
const QUIET_TIMEOUT_MS = 30_000

/**
 * One connection to a broker as kafkajs sees it. Beneath, a new TLS connection with the newest certificate takes the old
 * one's place before the old certificate expires, at a moment when no answer is outstanding: so no request is lost or sent
 * twice, and nothing above has to know. Without a newer certificate the connection ends when its own expires.
 */
export class RenewingSocket extends Duplex {
  private line: Line
  /** What will take its place, while it is being tried. */
  private next: Line | undefined
  private readonly answers = new FrameCounter()
  private outstanding = 0
  private connected = false
  private isUnref = false
  /** Proven to work: it takes over when nothing is outstanding, and until then nothing new is sent. */
  private successor: Line | undefined
  private held: (() => void) | undefined
  private letGo: () => void = () => undefined
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly options: Options,
    onConnect: () => void,
  ) {
    super({ allowHalfOpen: false })
    this.line = this.open()
    this.line.socket.once('secureConnect', () => {
      this.connected = true
      onConnect()
    })
    this.use(this.line)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const send = (): void => {
      // kafkajs writes whole requests, and asks for an answer to each.
      this.outstanding += 1
      this.line.socket.write(chunk, done)
    }
    if (this.successor) this.held = send
    else send()
  }

  override _read(): void {
    this.line.socket.resume()
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.connected) this.line.socket.end()
    else this.line.socket.destroy()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.timer)
    for (const line of [this.line, this.next, this.successor]) line?.socket.destroy()
    done(error)
  }

  /** kafkajs lets go of the process with it when it disconnects. */
  unref(): this {
    // Once: a socket that is still connecting keeps a listener for each call.
    if (!this.isUnref) this.line.socket.unref()
    this.isUnref = true
    return this
  }

  private open(): Line {
    const { host, port, tls } = this.options
    const { cert, ...rest } = tls()
    const expiresAtMs = Date.parse(new X509Certificate(cert).validTo)
    const socket = connect({
      host,
      port,
      ...(isIP(host) ? {} : { servername: host }),
      minVersion: 'TLSv1.3',
      cert,
      ...rest,
    })
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    return { socket, cert, expiresAtMs }
  }

  private use(line: Line): void {
    this.line = line
    const { socket } = line
    // kafkajs listens for an end or an error and for nothing else: a close must show as one of them.
    let ended = false
    this.letGo = listen(socket, {
      data: (data) => {
        this.outstanding -= this.answers.count(data)
        if (!this.push(data)) socket.pause()
        this.switchWhenQuiet()
      },
      end: () => {
        ended = true
        this.push(null)
      },
      error: (error) => this.destroy(error),
      close: () => {
        if (!ended) this.destroy(this.writableEnded ? undefined : new Error('the connection was closed'))
      },
    })
    this.lookLater()
  }

  private lookLater(): void {
    clearTimeout(this.timer)
    const leftMs = this.line.expiresAtMs - Date.now()
    const waitMs = leftMs * (LOOK_PART + LOOK_SPREAD * Math.random())
    this.timer = setTimeout(() => this.look(), Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, waitMs))).unref()
  }

  private look(): void {
    if (this.line.expiresAtMs <= Date.now()) {
      this.destroy(new Error('the certificate of the connection has expired, and there was no newer one'))
      return
    }
    if (this.connected && !this.next && !this.successor && this.newest() !== this.line.cert) this.try()
    this.lookLater()
  }

  private newest(): string {
    try {
      return this.options.tls().cert
    } catch {
      // No identity at the moment.
      return this.line.cert
    }
  }

  /** Opens the connection that will take over, and has the broker answer on it: only then it has accepted us. */
  private try(): void {
    const next = this.open()
    this.next = next
    const { socket } = next
    const answers = new FrameCounter()
    const giveUp = (error: Error): void => {
      letGo()
      socket.destroy()
      this.next = undefined
      this.options.logger.warn({ err: error, host: this.options.host }, 'a connection could not be renewed yet')
    }
    const letGo = listen(socket, {
      data: (data) => {
        if (answers.count(data) === 0) return
        letGo()
        socket.pause()
        this.next = undefined
        this.successor = next
        this.switchWhenQuiet()
        this.mustSwitch(next)
      },
      end: () => giveUp(new Error('the broker closed it')),
      error: giveUp,
      close: () => giveUp(new Error('it was closed')),
    })
    socket.once('secureConnect', () => socket.write(PROBE_REQUEST))
  }

  /** An answer that never comes must not hold up what waits behind it. */
  private mustSwitch(next: Line): void {
    setTimeout(() => {
      if (this.successor === next) this.destroy(new Error('the broker owes an answer for too long'))
    }, QUIET_TIMEOUT_MS).unref()
  }

  private switchWhenQuiet(): void {
    const { successor, line, held } = this
    if (!successor || this.outstanding > 0 || this.destroyed || this.writableEnded) return
    this.successor = undefined
    this.held = undefined
    this.letGo()
    line.socket.destroySoon()
    this.use(successor)
    if (successor.socket.destroyed) {
      this.destroy(new Error('the renewed connection was closed'))
      return
    }
    successor.socket.resume()
    this.options.logger.debug({ host: this.options.host }, 'a connection was renewed with a newer certificate')
    held?.()
  }
}

type Listeners = {
  data: (data: Buffer) => void
  end: () => void
  error: (error: Error) => void
  close: () => void
}

/** Listens until the answered function is called; from then on nothing of the socket matters, nor do its errors. */
function listen(socket: TLSSocket, { data, end, error, close }: Listeners): () => void {
  socket.on('data', data).on('end', end).on('error', error).on('close', close)
  return () => {
    socket.on('error', () => undefined)
    socket.off('data', data).off('end', end).off('error', error).off('close', close)
  }
}
