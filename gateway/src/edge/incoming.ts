import { IncomingMessage } from 'node:http'
import { STREAM_PATH } from '../stream/path.ts'
import { targetOf } from './exchange.ts'

/**
 * A request as Node's parser makes it. Node hands every request with an Upgrade header to the WebSocket's listener, also the
 * h2c offers of common clients, on any path. What we do not speak has to be ignored (RFC 9110, 7.8), so only a WebSocket at
 * its own address counts as an upgrade; Node reads all others as usual.
 */
export class Incoming extends IncomingMessage {
  private offered = false

  get upgrade(): boolean {
    return this.offered && this.headers.upgrade?.toLowerCase() === 'websocket' && targetOf(this).path === STREAM_PATH
  }

  set upgrade(offered: boolean | null) {
    this.offered = offered === true
  }
}
