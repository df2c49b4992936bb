import { readFileSync, renameSync } from 'node:fs'

/** `[scope/]name[@countdown]`, e.g. `order/relay.after-append@3`: die at the third passing of that point in that service. */
const armed = /^(?:([^/@]+)\/)?([^/@]+)(?:@([1-9][0-9]*))?$/.exec(process.env.BITKA_CRASH_POINT ?? '')
let left = Number(armed?.[3] ?? 1)

/** A file that may name a point at any time while we run, so that a test can strike with work in flight, and only once. */
const file = process.env.BITKA_CRASH_POINT_FILE

/**
 * A named place where a crash test may kill this process as hard as a power cut would. Does nothing unless the variable
 * BITKA_CRASH_POINT names it, or the file that BITKA_CRASH_POINT_FILE names does. `scope` is the service, since several may
 * share one process.
 */
export function crashPoint(name: string, scope?: string): void {
  if (file !== undefined) strikeFromFile(file, name, scope)
  if (armed === null || armed[2] !== name) return
  if (armed[1] !== undefined && armed[1] !== scope) return
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}

function strikeFromFile(path: string, name: string, scope: string | undefined): void {
  try {
    const wanted = readFileSync(path, 'utf8').trim()
    if (wanted !== name && wanted !== `${scope}/${name}`) return
    // Of several processes at the point the first to rename dies; after its restart the file is gone.
    renameSync(path, `${path}.hit`)
  } catch {
    return
  }
  process.kill(process.pid, 'SIGKILL')
}
