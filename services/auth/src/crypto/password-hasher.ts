import { randomBytes } from 'node:crypto'
import argon2 from 'argon2'
import { normalizePassword } from '../domain/password.ts'
import { HashQueue, type HashQueueOptions, type Lane } from './hash-queue.ts'

export type HashParameters = { memoryKiB: number; passes: number; lanes: number }

/** OWASP's second choice for argon2id, and the least that the threat model asks for. */
export const defaultParameters: HashParameters = { memoryKiB: 19_456, passes: 2, lanes: 1 }

/** Hashes and checks passwords with argon2id, through one bounded queue. */
export class PasswordHasher {
  private readonly queue: HashQueue

  private constructor(
    private readonly options: { memoryCost: number; timeCost: number; parallelism: number },
    queue: HashQueueOptions,
    private dummyHash: string,
  ) {
    this.queue = new HashQueue(queue)
  }

  static async create(parameters: HashParameters, queue: HashQueueOptions): Promise<PasswordHasher> {
    const { memoryKiB, passes, lanes } = parameters
    const hasher = new PasswordHasher({ memoryCost: memoryKiB, timeCost: passes, parallelism: lanes }, queue, '')
    hasher.dummyHash = await hasher.hash(randomBytes(32).toString('base64'))
    return hasher
  }

  hash(password: string, lane: Lane = 'stranger'): Promise<string> {
    const normalized = normalizePassword(password)
    return this.queue.run(lane, () => argon2.hash(normalized, { ...this.options, type: argon2.argon2id }))
  }

  /** Takes as long without a stored hash as with one: the answer "no" says nothing about whether there is such a user. */
  async verify(storedHash: string | undefined, password: string, lane: Lane = 'stranger'): Promise<boolean> {
    const normalized = normalizePassword(password)
    const matches = await this.queue.run(lane, () => argon2.verify(storedHash ?? this.dummyHash, normalized))
    return storedHash !== undefined && matches
  }

  /** True when a hash was made with other parameters than today's. */
  isOutdated(storedHash: string): boolean {
    return argon2.needsRehash(storedHash, this.options)
  }
}
