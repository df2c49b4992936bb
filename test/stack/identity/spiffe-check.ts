import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryFolder } from '@bitka/service'

/** One update of an X.509 context, as go-spiffe saw and verified it. */
export type Update = {
  id: string
  serial: string
  notBefore: string
  notAfter: string
  roots: string[]
  signedBy: string
  svids: number
}
/** A line of the check: an update, or the error that the watch went on after. */
export type Line = Update | { error: string }

export const isUpdate = (line: Line): line is Update => 'id' in line

/** A check that runs. */
export type Running = { lines: Line[]; done: Promise<{ code: number | null; stderr: string }>; child: ChildProcess }

/** Builds the check with go-spiffe, where every account may run it. Answers the program's path. */
export async function buildSpiffeCheck(): Promise<string> {
  const root = join(repositoryFolder('scripts'), '..')
  const tools: { goTools(source: string, packages: string[]): string } = await import(
    join(root, 'scripts', 'go-tools.mjs')
  )
  const built = join(tools.goTools('test/stack/go-spiffe', ['./spiffecheck']), 'spiffecheck')
  const folder = mkdtempSync(join(tmpdir(), 'bitka-spiffecheck-'))
  chmodSync(folder, 0o755)
  const program = join(folder, 'spiffecheck')
  copyFileSync(built, program)
  chmodSync(program, 0o755)
  return program
}

/** Starts a check under an account; our own where none is given. */
export function startCheck(program: string, args: readonly string[], uid?: number): Running {
  const child = spawn(program, args, {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  })
  const lines: Line[] = []
  let pending = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = `${pending}${chunk.toString()}`.split('\n')
    pending = parts.pop() ?? ''
    for (const part of parts) lines.push(JSON.parse(part) as Line)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const done = new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stderr }))
  })
  return { lines, done, child }
}

/** Runs a check to its end. */
export async function check(
  program: string,
  args: readonly string[],
  uid?: number,
): Promise<{ code: number | null; stderr: string; lines: unknown[] }> {
  const { lines, done } = startCheck(program, args, uid)
  return { ...(await done), lines }
}
