import { execFile } from 'node:child_process'
import { mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { waitFor } from '@bitka/testkit'
import { StackWorld } from './world.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const run = promisify(execFile)
const MIB = 1024 * 1024
/** What the small disk has left for the log, before it is filled. */
const ROOM_MIB = 64
/** How often the broker must have failed to come back before there is room again. */
const RESTARTS = 2

let world: StackWorld
let disk: SmallDisk | undefined

// People of its own for each fault, so that what is held against the promises stays small.
beforeEach(async () => {
  console.log(`disk full: seed ${seed} (BITKA_SEED)`)
  world = new StackWorld(seed)
  await world.load.setUp()
}, 300_000)

afterAll(async () => {
  await disk?.remove()
}, 300_000)

const kafka = async (): Promise<{ pid?: number; restarts: number }> => {
  const found = (await world.stack.controls.processes()).find(({ name }) => name === 'kafka')
  if (!found) throw new Error('the stack has no broker')
  return found
}

/** Puts the broker's data on a tmpfs that is little larger than it, and back. */
class SmallDisk {
  private readonly data: string
  private readonly mountPoint: string

  constructor(home: string) {
    this.data = join(home, 'kafka', 'data')
    this.mountPoint = join(home, 'kafka', 'small-disk')
  }

  /** Answers why not, where we may not mount. */
  async insert(): Promise<string | undefined> {
    await mkdir(this.mountPoint, { recursive: true, mode: 0o711 })
    const { stdout } = await run('du', ['-sm', this.data])
    const size = Number.parseInt(stdout, 10) + ROOM_MIB
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${size}m,mode=0711`, 'tmpfs', this.mountPoint])
    } catch (error) {
      return (error as { stderr?: string }).stderr?.trim() || String(error)
    }
    await this.whileStopped(async () => {
      await run('cp', ['-a', '--sparse=always', this.data, join(this.mountPoint, 'data')])
      await run('mount', ['--bind', join(this.mountPoint, 'data'), this.data])
    })
    return undefined
  }

  async remove(): Promise<void> {
    await this.whileStopped(async () => {
      await run('umount', [this.data])
      await rm(this.data, { recursive: true })
      await run('cp', ['-a', '--sparse=always', join(this.mountPoint, 'data'), this.data])
      await run('umount', [this.mountPoint])
    })
  }

  /** Takes every byte that is left. */
  async fill(): Promise<void> {
    const file = await open(join(this.mountPoint, 'filler'), 'w')
    try {
      for (let bytes = MIB; bytes >= 1; ) {
        await file.write(Buffer.alloc(bytes)).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOSPC') throw error
          bytes = Math.floor(bytes / 2)
        })
      }
    } finally {
      await file.close()
    }
  }

  free = (): Promise<void> => rm(join(this.mountPoint, 'filler'))

  private async whileStopped(work: () => Promise<void>): Promise<void> {
    await world.stack.controls.stop('kafka')
    try {
      await work()
    } finally {
      await world.stack.controls.start('kafka')
    }
    await world.ready(180_000)
  }
}

/** Where no disk can be mounted: refuses every write into a file to the broker, and to each one that takes its place, until there is room again. */
class FileLimit {
  private readonly limited = new Set<number>()
  private timer: NodeJS.Timeout | undefined
  private busy: Promise<void> = Promise.resolve()

  async fill(): Promise<void> {
    const { pid } = await kafka()
    if (pid === undefined) throw new Error('the broker does not run')
    await this.limit(pid)
    this.timer = setInterval(() => {
      this.busy = this.busy.then(() => this.limitNext())
    }, 50)
  }

  async free(): Promise<void> {
    clearInterval(this.timer)
    await this.busy
    for (const pid of this.limited) await setLimit(pid, 'unlimited').catch(() => {})
  }

  private async limitNext(): Promise<void> {
    const { pid } = await kafka()
    // One that has just died is gone.
    if (pid !== undefined && !this.limited.has(pid)) await this.limit(pid).catch(() => {})
  }

  private async limit(pid: number): Promise<void> {
    await setLimit(pid, '0')
    this.limited.add(pid)
  }
}

/** The soft limit alone, which its owner may take back. */
async function setLimit(pid: number, bytes: string): Promise<void> {
  const { uid, gid } = await stat(`/proc/${pid}`)
  const account = process.getuid?.() === 0 ? { uid, gid } : {}
  await run('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`], account)
}

/** Trades until the log can take no more, sees that the exchange says so, makes room, and holds everything to its promises. */
async function survives(fault: { fill(): Promise<void>; free(): Promise<void> }): Promise<void> {
  const before = world.load.acknowledged.size
  world.load.start()
  try {
    await waitFor(() => world.load.acknowledged.size > before + 20, { timeoutMs: 120_000, what: 'work under way' })
    const { restarts } = await kafka()
    await fault.fill()
    try {
      await waitFor(async () => (await kafka()).restarts >= restarts + RESTARTS, {
        timeoutMs: 180_000,
        what: 'the broker to die, and to try again in vain',
      })
      await waitFor(async () => (await world.readiness()) === 503, { what: 'readiness to say that the log is gone' })
      // Money that needs no log still moves.
      const moved = transfers()
      await waitFor(() => transfers() > moved + 3, { timeoutMs: 120_000, what: 'transfers while the log is gone' })
      await waitFor(async () => (await world.readiness()) === 503, { what: 'readiness to say that it still is' })
    } finally {
      await fault.free()
    }
    await world.ready(180_000)
    const after = world.load.acknowledged.size
    await waitFor(() => world.load.acknowledged.size > after + 20, { timeoutMs: 120_000, what: 'work afterwards' })
  } finally {
    await world.load.stop()
  }
  await world.checkEverything()
  await world.expectWholeLog()
}

const transfers = (): number => [...world.load.acknowledged.values()].filter(({ kind }) => kind === 'transfer').length

const brokerLog = (): Promise<string> => readFile(join(world.stack.home, 'log', 'kafka.log'), 'utf8')

test('the disk of the event log is full, and goes on when there is room', async () => {
  const small = new SmallDisk(world.stack.home)
  const reason = await small.insert()
  if (reason !== undefined) {
    console.log(`no disk can be mounted here (${reason}): the broker may write no byte instead`)
    await survives(new FileLimit())
    return
  }
  disk = small
  const said = (await brokerLog()).length
  await survives(disk)
  expect((await brokerLog()).slice(said)).toMatch(/No space left on device/)
}, 900_000)
