import { ConfigError } from '@bitka/kernel'
import type { StartService } from './types.ts'

/**
 * The whole of a service's main.ts: starts it from the environment, stops it on SIGTERM or SIGINT and exits with 0. A bad
 * environment ends the process with 1 and one line that names the variable.
 */
export function runMain(start: StartService): void {
  void (async () => {
    try {
      const service = await start(process.env)
      const stop = (): void => {
        void service.stop().then(
          () => process.exit(0),
          () => process.exit(1),
        )
      }
      process.once('SIGTERM', stop)
      process.once('SIGINT', stop)
      // Under a supervisor that died: what it started must not outlive it.
      if (process.connected) process.once('disconnect', stop)
    } catch (error) {
      const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)
      process.stderr.write(`${text}\n`)
      process.exit(1)
    }
  })()
}
