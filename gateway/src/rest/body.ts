import type { IncomingMessage } from 'node:http'
import { invalidField } from '@bitka/kernel'
import { bodyCutShort, bodyTooSlow, payloadTooLarge } from './errors.ts'

export type BodyLimits = { bytes: number; timeoutMs: number }

/** Whether the head of a request announces a body. */
export const hasBody = (req: IncomingMessage): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0

/**
 * Reads a JSON body as bytes, never more than allowed and never for longer.
 * @throws Refusal 413 or 408; DomainError invalid for another content type
 */
export async function readBody(req: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
  if (Number(req.headers['content-length'] ?? 0) > limits.bytes) throw payloadTooLarge(limits.bytes)
  const bytes = await collect(req, limits)
  if (bytes.length > 0) checkType(req)
  return bytes
}

function collect(req: IncomingMessage, { bytes, timeoutMs }: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(() => end(() => reject(bodyTooSlow())), timeoutMs)
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size > bytes) end(() => reject(payloadTooLarge(bytes)))
    }
    const onEnd = (): void => end(() => resolve(Buffer.concat(chunks)))
    const onGone = (): void => end(() => reject(bodyCutShort()))
    function end(settle: () => void): void {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      settle()
    }
    req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

function checkType(req: IncomingMessage): void {
  const type = req.headers['content-type']
  if (type === undefined || !JSON_TYPE.test(type)) throw invalidField('Content-Type', 'must be application/json')
  const encoding = req.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') throw invalidField('Content-Encoding', 'is not supported')
}

/** What is left of a refused body is read for so long, and so much of it. */
const DISCARD_MS = 1_000
const DISCARD_BYTES = 4 * 1024 * 1024

/**
 * Reads and throws away the rest of a body, within bounds. Closing a connection with unread bytes in it resets it, and the
 * client would see that instead of the answer.
 */
export function discardBody(req: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let size = 0
    const timer = setTimeout(end, DISCARD_MS)
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > DISCARD_BYTES) end()
    }
    function end(): void {
      clearTimeout(timer)
      req.off('data', onData).off('end', end).off('close', end)
      req.pause()
      resolve()
    }
    req.on('data', onData).on('end', end).on('close', end)
  })
}
