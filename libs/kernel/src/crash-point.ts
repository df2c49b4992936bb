/** `[scope/]name[@countdown]`, e.g. `order/relay.after-append@3`: die at the third passing of that point in that service. */
const armed = /^(?:([^/@]+)\/)?([^/@]+)(?:@([1-9][0-9]*))?$/.exec(process.env.BITKA_CRASH_POINT ?? '')
let left = Number(armed?.[3] ?? 1)

/**
 * A named place where a crash test may kill this process as hard as a power cut would. Does nothing unless the variable
 * BITKA_CRASH_POINT names it. `scope` is the service, since several may share one process.
 */
export function crashPoint(name: string, scope?: string): void {
  if (armed === null || armed[2] !== name) return
  if (armed[1] !== undefined && armed[1] !== scope) return
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}
