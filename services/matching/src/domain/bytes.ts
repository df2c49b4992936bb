/** Writes numbers and strings one after another, little-endian. */
export class ByteWriter {
  private bytes = new Uint8Array(4096)
  private view = new DataView(this.bytes.buffer)
  private length = 0
  private readonly encoder = new TextEncoder()

  private room(size: number): number {
    const at = this.length
    this.length += size
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2))
      grown.set(this.bytes)
      this.bytes = grown
      this.view = new DataView(grown.buffer)
    }
    return at
  }

  number(value: number): void {
    const at = this.room(8)
    this.view.setFloat64(at, value, true)
  }

  string(value: string): void {
    const encoded = this.encoder.encode(value)
    const at = this.room(4 + encoded.length)
    this.view.setUint32(at, encoded.length, true)
    this.bytes.set(encoded, at + 4)
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}

/** Reads what a ByteWriter wrote; throws a RangeError past the end. */
export class ByteReader {
  private readonly view: DataView
  private at = 0
  private readonly decoder = new TextDecoder('utf-8', { fatal: true })

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  number(): number {
    const value = this.view.getFloat64(this.at, true)
    this.at += 8
    return value
  }

  string(): string {
    const length = this.view.getUint32(this.at, true)
    const from = this.at + 4
    if (from + length > this.bytes.length) throw new RangeError('a string goes past the end')
    this.at = from + length
    return this.decoder.decode(this.bytes.subarray(from, this.at))
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length
  }
}
