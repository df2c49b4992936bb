/** Splits DER certificates that stand one after the other, by each one's own length. Throws for anything else. */
export function splitDer(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    const end = at + derLength(bytes.subarray(at))
    if (end > bytes.length) throw new Error('DER: shorter than it says')
    parts.push(bytes.subarray(at, end))
    at = end
  }
  return parts
}

/** Header and content of the ASN.1 SEQUENCE at the start. */
function derLength(bytes: Uint8Array): number {
  const [tag, first] = bytes
  if (tag !== 0x30 || first === undefined) throw new Error('DER: not a sequence')
  if (first < 0x80) return 2 + first
  const count = first & 0x7f
  if (count === 0 || count > 4 || bytes.length < 2 + count) throw new Error('DER: bad length')
  const length = bytes.subarray(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0)
  return 2 + count + length
}

/** DER as PEM text. */
export function toPem(label: 'CERTIFICATE' | 'PRIVATE KEY', der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
