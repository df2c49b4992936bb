import { spawn } from 'node:child_process'
import type { Entry } from './entries.ts'

/** Runs `spire-server` with arguments and standard input; answers its standard output. */
export type RunSpireServer = (args: readonly string[], input?: string) => Promise<string>

/** Runs the program at `binary` against the server's private socket. @throws with what it wrote to stderr */
export const spireServer =
  (binary: string, socketPath: string): RunSpireServer =>
  (args, input = '') =>
    new Promise((resolve, reject) => {
      const child = spawn(binary, [...args, '-socketPath', socketPath], { stdio: 'pipe' })
      let out = ''
      let err = ''
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString()
      })
      child.stderr.on('data', (chunk: Buffer) => {
        err += chunk.toString()
      })
      child.once('error', reject)
      child.once('close', (code) => {
        if (code === 0) resolve(out)
        else reject(new Error(`spire-server ${args.slice(0, 2).join(' ')} failed: ${err || out}`))
      })
      // A program that ended before it read everything has said why by its exit code.
      child.stdin.on('error', () => {})
      child.stdin.end(input)
    })

const OURS = /^bitka-/

/** Makes the server's entries of ours equal to the table's: creates, updates and deletes. Others' entries stay. */
export async function register(
  run: RunSpireServer,
  wanted: readonly Entry[],
): Promise<{ created: number; updated: number; deleted: number }> {
  const known = entryIds(await run(['entry', 'show', '-output', 'json'])).filter((id) => OURS.test(id))
  const existing = wanted.filter((entry) => known.includes(entry.entry_id))
  const missing = wanted.filter((entry) => !known.includes(entry.entry_id))
  const gone = known.filter((id) => !wanted.some((entry) => entry.entry_id === id))
  // First away with what is no longer wanted: an entry whose name changed would be in the way of the new one.
  for (const id of gone) await run(['entry', 'delete', '-entryID', id])
  const send = async (verb: string, entries: readonly Entry[]): Promise<void> => {
    if (entries.length > 0) await run(['entry', verb, '-data', '-'], JSON.stringify({ entries }))
  }
  await send('update', existing)
  await send('create', missing)
  return { created: missing.length, updated: existing.length, deleted: gone.length }
}

function entryIds(json: string): string[] {
  const { entries } = JSON.parse(json) as { entries?: { id?: string }[] | null }
  return (entries ?? []).map(({ id }) => id ?? '')
}
