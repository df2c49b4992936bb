/**
 * MurmurHash2 as Kafka's Java client and kafkajs compute it, so that both adapters put a key into the same partition.
 * 32-bit arithmetic throughout.
 */
export function murmur2(data: Uint8Array): number {
  const seed = 0x9747b28c
  const m = 0x5bd1e995
  const length = data.length
  let h = seed ^ length
  const view = new DataView(data.buffer, data.byteOffset, length)
  const whole = length - (length % 4)
  for (let i = 0; i < whole; i += 4) {
    let k = Math.imul(view.getInt32(i, true), m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  const rest = length % 4
  if (rest === 3) h ^= view.getUint8(whole + 2) << 16
  if (rest >= 2) h ^= view.getUint8(whole + 1) << 8
  if (rest >= 1) h = Math.imul(h ^ view.getUint8(whole), m)
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}

const encoder = new TextEncoder()

/** The partition of a key among `count`. */
export const partitionOf = (key: string, count: number): number => (murmur2(encoder.encode(key)) & 0x7fffffff) % count
