import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One exchange a data directory: the file names the process that has it. A dead process's file is taken over. */
export function lockDataDir(dataDir: string): () => void {
  const file = join(dataDir, 'exchange.pid')
  if (existsSync(file)) {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    if (Number.isInteger(pid) && pid !== process.pid && isExchange(pid)) {
      throw new Error(
        `an exchange is already running here (process ${pid}); stop it first or choose another BITKA_DATA_DIR`,
      )
    }
  }
  writeFileSync(file, `${process.pid}\n`)
  return () => rmSync(file, { force: true })
}

/** A pid may have been given to another program since; only a Node process counts where that can be seen. */
function isExchange(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  const status = `/proc/${pid}/cmdline`
  return existsSync(status) ? /node|embedded/.test(readFileSync(status, 'utf8')) : true
}
