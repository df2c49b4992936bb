import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a running stack tells whoever uses it: `make stack-up`, tests, the bench. */
export type StackFacts = {
  /** The process that keeps the stack. */
  pid: number
  home: string
  /** The public API, through Envoy. */
  url: string
  /** The operators' API: the same host on the listener with the address allow-list. */
  adminUrl: string
  /** The mesh listener, for callers outside the deployment. */
  meshUrl: string
  /** The roots that signed the public certificate. */
  caFile: string
  operatorEmail: string
  operatorPassword: string
  /** A socket that only we may open: what `control.ts` speaks. */
  controlSocket: string
  postgres: { adminUrl: string; dataDir: string }
  kafka: { brokers: string }
  /** Where sockets and certificate files are. */
  identityDir: string
  trustDomain: string
  /** The time from the start to ready, without installation. */
  startedMs: number
}

const fileOf = (home: string): string => join(home, 'stack.json')

export function writeFacts(facts: StackFacts): void {
  const file = fileOf(facts.home)
  writeFileSync(`${file}.next`, JSON.stringify(facts, null, 2), { mode: 0o600 })
  renameSync(`${file}.next`, file)
}

export const removeFacts = (home: string): void => rmSync(fileOf(home), { force: true })

/** The facts of the stack that runs, or undefined. */
export function readFacts(home: string): StackFacts | undefined {
  try {
    const facts = JSON.parse(readFileSync(fileOf(home), 'utf8')) as StackFacts
    process.kill(facts.pid, 0)
    return facts
  } catch {
    return undefined
  }
}
