import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const NO_RIGHT = 77
const script = fileURLToPath(new URL('capture.py', import.meta.url))

export type Capture = {
  /** Ends it. @returns how many packets the kernel gave us, and how many it had to drop */
  stop(): Promise<{ packets: number; dropped: number }>
}

/**
 * Hands every TCP segment of the loopback interface to `onPacket`, from now on. Answers a reason instead where we may not
 * listen, as an ordinary user may not.
 */
export async function startCapture(onPacket: (ip: Buffer) => void): Promise<Capture | string> {
  const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  let rest: Buffer = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (rest.length - at >= 4) {
      const size = rest.readUInt32BE(at)
      if (rest.length - at < 4 + size) break
      onPacket(rest.subarray(at + 4, at + 4 + size))
      at += 4 + size
    }
    rest = rest.subarray(at)
  })
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
  const ready = new Promise<boolean>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.startsWith('ready')) resolve(true)
    })
    child.once('error', (error) => {
      said += error.message
      resolve(false)
    })
    child.once('close', () => resolve(false))
  })
  if (!(await ready)) {
    const code = await closed
    if (code === NO_RIGHT) return said.trim()
    throw new Error(`the capture did not start: ${said}`)
  }
  return {
    async stop() {
      child.stdin.end()
      await closed
      const [, packets, dropped] = /packets (\d+) dropped (\d+)/.exec(said) ?? []
      if (packets === undefined) throw new Error(`the capture broke off: ${said}`)
      return { packets: Number(packets), dropped: Number(dropped) }
    },
  }
}
