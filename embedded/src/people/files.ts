import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TokenPair, TokenStore } from '@bitka/client'
import { z } from 'zod'

const shape = z.object({
  /** The exchange that it belongs to. */
  url: z.string(),
  identifier: z.string(),
  /** Only of people whom we registered ourselves. */
  password: z.string().optional(),
  user_id: z.string().optional(),
  tokens: z.object({ access_token: z.string(), refresh_token: z.string() }).optional(),
})

/** What is remembered of one person. */
export type PersonFile = z.infer<typeof shape>

/** The session files of people, one each, that only their owner can read. */
export class PersonFiles {
  constructor(private readonly folder: string) {}

  pathOf(name: string): string {
    return join(this.folder, `${name}.json`)
  }

  load(name: string): PersonFile | undefined {
    const file = this.pathOf(name)
    return existsSync(file) ? shape.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined
  }

  save(name: string, person: PersonFile): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    const file = this.pathOf(name)
    const next = `${file}.${process.pid}`
    writeFileSync(next, `${JSON.stringify(person, null, 2)}\n`, { mode: 0o600 })
    renameSync(next, file)
  }

  remove(name: string): void {
    rmSync(this.pathOf(name), { force: true })
  }

  /** The tokens inside a person's file. */
  tokensOf(name: string): TokenStore {
    return {
      load: () => this.load(name)?.tokens,
      save: (tokens: TokenPair | undefined) => {
        const person = this.load(name)
        if (person) this.save(name, { ...person, tokens })
      },
    }
  }
}
