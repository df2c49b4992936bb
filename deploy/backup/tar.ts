import { assert } from '@bitka/kernel'

// POSIX ustar, as much of it as a PostgreSQL data directory needs: plain files and directories with short names.

const BLOCK = 512
const NAME_BYTES_MAX = 100
/** What eleven octal digits can say; PostgreSQL's own files end at 1 GiB. */
const SIZE_MAX = 8 * 1024 ** 3 - 1

export type TarEntry = {
  /** Relative, with "/" between folders. */
  name: string
  type: 'file' | 'directory'
  mode: number
  size: number
}

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`

function checksum(header: Buffer): number {
  let sum = 0
  // The checksum's own field counts as spaces.
  for (let index = 0; index < BLOCK; index += 1) sum += index >= 148 && index < 156 ? 32 : (header[index] ?? 0)
  return sum
}

/** The block in front of an entry's bytes. */
export function tarHeader({ name, type, mode, size }: TarEntry, mtimeMs: number): Buffer {
  const path = type === 'directory' ? `${name}/` : name
  assert(Buffer.byteLength(path) <= NAME_BYTES_MAX, `the name ${path} is too long for the archive`)
  assert(size <= SIZE_MAX, `${path} is too large for the archive`)
  const header = Buffer.alloc(BLOCK)
  header.write(path, 0)
  header.write(octal(mode & 0o777, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(size, 11), 124)
  header.write(octal(Math.floor(mtimeMs / 1000), 11), 136)
  header.write(type === 'directory' ? '5' : '0', 156)
  header.write('ustar\x0000', 257)
  header.write(`${octal(checksum(header), 6)} `, 148)
  return header
}

/** What follows an entry's bytes, up to the next block. */
export const tarPadding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)

/** What ends an archive. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * BLOCK)

/** Hands out a stream's bytes in the portions that are asked for. */
class ByteReader {
  private readonly source: AsyncIterator<Uint8Array>
  private rest: Uint8Array = new Uint8Array()

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]()
  }

  /** At least one byte and at most `max`; undefined at the end. */
  async some(max: number): Promise<Uint8Array | undefined> {
    while (this.rest.length === 0) {
      const next = await this.source.next()
      if (next.done) return undefined
      this.rest = next.value
    }
    const part = this.rest.subarray(0, max)
    this.rest = this.rest.subarray(part.length)
    return part
  }

  async exactly(size: number): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for (let left = size; left > 0; ) {
      const part = await this.some(left)
      if (!part) throw new Error('the archive ends too early')
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  async *portion(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      const part = await this.some(left)
      if (!part) throw new Error('the archive ends too early')
      left -= part.length
      yield part
    }
  }
}

function parseHeader(header: Buffer): TarEntry {
  const text = (from: number, to: number): string => {
    const field = header.subarray(from, to)
    const end = field.indexOf(0)
    return field.toString('utf8', 0, end < 0 ? field.length : end)
  }
  const number = (from: number, to: number): number => Number.parseInt(text(from, to).trim(), 8)
  if (number(148, 156) !== checksum(header)) throw new Error('the archive has a damaged header')
  const flag = text(156, 157)
  if (flag !== '0' && flag !== '5') throw new Error(`the archive has an entry of type "${flag}"`)
  const name = text(0, NAME_BYTES_MAX).replace(/\/$/, '')
  // Never a way out of the folder that it is unpacked into.
  if (name.startsWith('/') || name.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw new Error('the archive has an entry with an unsafe name')
  }
  return { name, type: flag === '5' ? 'directory' : 'file', mode: number(100, 108), size: number(124, 136) }
}

/** Reads an archive; `visit` must read the whole body of each entry, or nothing of it. */
export async function readTar(
  source: AsyncIterable<Uint8Array>,
  visit: (entry: TarEntry, body: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const reader = new ByteReader(source)
  for (;;) {
    const header = await reader.exactly(BLOCK)
    if (header.every((byte) => byte === 0)) break
    const entry = parseHeader(header)
    await visit(entry, reader.portion(entry.size))
    await reader.exactly(tarPadding(entry.size).length)
  }
  // To the stream's very end: what checks the bytes behind us must see them all.
  while (await reader.some(BLOCK * 128));
}
