import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** True while the process runs. A zombie does not: it waits for its parent, which may never come. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, under another account.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return !(await look(pid, 'stat')).startsWith('Z')
}

/** The command line of a process, or nothing when that cannot be told. */
export const commandOf = (pid: number): Promise<string> => look(pid, 'command')

async function look(pid: number, what: 'stat' | 'command'): Promise<string> {
  try {
    if (what === 'command') return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
    // "pid (name) state ...", and a name may hold anything but is closed by the last parenthesis.
    const line = await readFile(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2)
  } catch {
    // No /proc: macOS.
    const { stdout } = await promisify(execFile)('ps', ['-o', `${what}=`, '-p', String(pid)]).catch(() => ({
      stdout: '',
    }))
    return stdout.trim()
  }
}

/** Polls until the condition holds; answers whether it did in time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  intervalMs = 25,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    if (await condition()) return true
    if (performance.now() >= deadline) return false
    await sleep(intervalMs)
  }
}

/** Sends a signal; false when the process is gone. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
