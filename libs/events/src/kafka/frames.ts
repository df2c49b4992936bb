const SIZE_BYTES = 4

/** Counts the answers in what a broker sends: each begins with its size. */
export class FrameCounter {
  private readonly size = Buffer.alloc(SIZE_BYTES)
  private sizeBytes = 0
  private left = 0

  /** How many frames end in this piece. */
  count(data: Buffer): number {
    let ended = 0
    for (let at = 0; at < data.length; ) {
      if (this.left > 0) {
        const taken = Math.min(this.left, data.length - at)
        this.left -= taken
        at += taken
      } else {
        const copied = data.copy(this.size, this.sizeBytes, at, at + SIZE_BYTES - this.sizeBytes)
        this.sizeBytes += copied
        at += copied
        if (this.sizeBytes < SIZE_BYTES) break
        this.sizeBytes = 0
        this.left = this.size.readInt32BE()
      }
      if (this.left === 0 && this.sizeBytes === 0) ended += 1
    }
    return ended
  }
}

const API_VERSIONS = 18

/** "Which versions do you speak?", version 0, from a nameless client: the request that every broker answers to everybody. */
export const PROBE_REQUEST = ((): Buffer => {
  const body = Buffer.alloc(10)
  body.writeInt16BE(API_VERSIONS, 0)
  body.writeInt16BE(-1, 8)
  const size = Buffer.alloc(SIZE_BYTES)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
})()
