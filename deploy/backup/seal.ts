import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { Decrypter, Encrypter } from 'age-encryption'

/** age (age-encryption.org): every 64 KiB are authenticated, in order, with the end marked. */

/** Turns bytes into sealed bytes, which only the identities of its recipients open. */
export type Seal = (source: AsyncIterable<Uint8Array>) => Promise<AsyncIterable<Uint8Array>>

/** The lines of a file of keys: one a line, "#" begins a comment. */
async function keysIn(path: string): Promise<string[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.trim())
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length === 0) throw new Error(`${path} has no key`)
  return keys
}

/** Runs the source through one of age's streams; when that refuses at once, the source is let go. */
async function through(
  source: AsyncIterable<Uint8Array>,
  transform: (stream: ReadableStream<Uint8Array>) => Promise<ReadableStream<Uint8Array>>,
): Promise<AsyncIterable<Uint8Array>> {
  const readable = Readable.from(source)
  try {
    const stream = await transform(Readable.toWeb(readable) as ReadableStream<Uint8Array>)
    return Readable.fromWeb(stream as NodeReadableStream<Uint8Array>)
  } catch (error) {
    readable.destroy()
    throw error
  }
}

/** Seals for the recipients (age1…) of a file. Public keys only: who takes backups cannot read one. */
export async function sealFor(recipientsFile: string): Promise<{ seal: Seal; recipients: string[] }> {
  const recipients = await keysIn(recipientsFile)
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return { recipients, seal: (source) => through(source, (stream) => encrypter.encrypt(stream)) }
}

/** Opens what was sealed, with the identities (AGE-SECRET-KEY-…) of a file. */
export async function openWith(identityFile: string): Promise<Seal> {
  const decrypter = new Decrypter()
  for (const identity of await keysIn(identityFile)) decrypter.addIdentity(identity)
  return async (source) => {
    try {
      return await through(source, (stream) => decrypter.decrypt(stream))
    } catch (error) {
      throw new Error(`the key in ${identityFile} does not open this backup`, { cause: error })
    }
  }
}
