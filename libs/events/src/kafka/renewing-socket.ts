import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import type { Logger } from '@bitka/kernel'
import type { KafkaTls } from './client.ts'
import { FrameCounter, PROBE_REQUEST } from './frames.ts'

type Options = { host: string; port: number; tls: () => KafkaTls; logger: Logger }
type Line = { socket: TLSSocket; cert: string; expiresAtMs: number }

/** A connection is renewed when this part of its certificate's remaining life has passed: then a newer one is there. */
const RENEW_AFTER_MIN = 0.6
/** Spread, so that not all connections of a mesh come at once. */
const RENEW_AFTER_SPREAD = 0.2
/** Between two looks, however far away the time is: longer timers overflow. */
const LOOK_MS_MAX = 3_600_000
const LOOK_MS_MIN = 100
const KEEP_ALIVE_MS = 60_000

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
  /** Proven to work: it takes over when nothing is outstanding, and until then nothing new is sent. */
  private successor: Line | undefined
  private held: (() => void) | undefined
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
    this.line.socket.unref()
    return this
  }

  private open(): Line {
    const { host, port, tls } = this.options
    const { cert, ...rest } = tls()
    const socket = connect({
      host,
      port,
      ...(isIP(host) ? {} : { servername: host }),
      minVersion: 'TLSv1.3',
      cert,
      ...rest,
    })
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    return { socket, cert, expiresAtMs: Date.parse(new X509Certificate(cert).validTo) }
  }

  private use(line: Line): void {
    this.line = line
    const { socket } = line
    socket.on('data', (data: Buffer) => {
      this.outstanding -= this.answers.count(data)
      if (!this.push(data)) socket.pause()
      this.switchWhenQuiet()
    })
    // kafkajs listens for an end or an error and for nothing else: a close must show as one of them.
    let ended = false
    socket.once('end', () => {
      ended = true
      this.push(null)
    })
    socket.once('error', (error) => this.destroy(error))
    socket.once('close', () => {
      if (!ended) this.destroy(this.writableEnded ? undefined : new Error('the connection was closed'))
    })
    const leftMs = line.expiresAtMs - Date.now()
    this.lookAt(Date.now() + leftMs * (RENEW_AFTER_MIN + RENEW_AFTER_SPREAD * Math.random()))
  }

  private lookAt(renewAtMs: number): void {
    clearTimeout(this.timer)
    const waitMs = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, renewAtMs - Date.now()))
    this.timer = setTimeout(() => this.look(renewAtMs), waitMs).unref()
  }

  private look(renewAtMs: number): void {
    const nowMs = Date.now()
    const leftMs = this.line.expiresAtMs - nowMs
    if (leftMs <= 0) {
      this.destroy(new Error('the certificate of the connection has expired, and there was no newer one'))
      return
    }
    if (nowMs < renewAtMs) {
      this.lookAt(renewAtMs)
      return
    }
    if (this.connected && !this.next && !this.successor && this.options.tls().cert !== this.line.cert) this.try()
    this.lookAt(nowMs + Math.min(leftMs, Math.max(LOOK_MS_MIN, leftMs / 4)))
  }

  /** Opens the connection that will take over, and has the broker answer on it: only then it has accepted us. */
  private try(): void {
    const next = this.open()
    this.next = next
    const { socket } = next
    const giveUp = (error?: Error): void => {
      if (this.next === next) this.next = undefined
      socket.destroy()
      this.options.logger.warn({ err: error, host: this.options.host }, 'a connection could not be renewed yet')
    }
    const answers = new FrameCounter()
    const onData = (data: Buffer): void => {
      if (answers.count(data) === 0) return
      socket.removeAllListeners()
      // Whatever happens to it before it takes over shows as soon as it does.
      socket.on('error', () => undefined)
      socket.pause()
      this.next = undefined
      this.successor = next
      this.switchWhenQuiet()
    }
    socket.on('data', onData)
    socket.once('error', giveUp)
    socket.once('end', () => giveUp())
    socket.once('secureConnect', () => socket.write(PROBE_REQUEST))
  }

  private switchWhenQuiet(): void {
    const { successor, line, held } = this
    if (!successor || this.outstanding > 0 || this.destroyed || this.writableEnded) return
    this.successor = undefined
    this.held = undefined
    line.socket.removeAllListeners()
    line.socket.on('error', () => undefined)
    line.socket.end()
    line.socket.unref()
    successor.socket.removeAllListeners('error')
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
