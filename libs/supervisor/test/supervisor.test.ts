import { readFile } from 'node:fs/promises'
import { silentLogger } from '@bitka/kernel'
import { tempDir, waitFor } from '@bitka/testkit'
import { Supervisor } from '../src/supervisor.ts'

const program = (script: string, env: Record<string, string> = {}) => ({
  name: 'child',
  command: process.execPath,
  args: ['-e', script],
  env,
})
const endless = 'setInterval(() => {}, 1000); console.log("alive", process.env.WORD)'
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

it('restarts what dies, and stops it for good when told', async () => {
  const supervisor = new Supervisor(await tempDir(), silentLogger)
  supervisor.run(program(endless, { WORD: 'first' }))
  const only = () => supervisor.processes()[0]!
  await waitFor(async () => (await readFile(supervisor.logFile('child'), 'utf8')).includes('alive first'))
  const first = only().pid!
  process.kill(first, 'SIGKILL')
  await waitFor(() => only().pid !== undefined && only().pid !== first)
  expect(only().restarts).toBe(1)
  const second = only().pid!
  await supervisor.stop('child')
  expect(isAlive(second)).toBe(false)
  expect(only().pid).toBeUndefined()
  // What was stopped may be started again, with what is given now.
  supervisor.run(program(endless, { WORD: 'third' }))
  await waitFor(async () => (await readFile(supervisor.logFile('child'), 'utf8')).includes('alive third'))
  expect(() => supervisor.run(program(endless))).toThrow('runs already')
  await supervisor.stop('child')
})

it('answers the exit code of a program that ends in order, and ends one that stands still', async () => {
  const supervisor = new Supervisor(await tempDir(), silentLogger)
  supervisor.run(program(`process.on('SIGTERM', () => process.exit(7)); ${endless}`))
  await waitFor(async () => (await readFile(supervisor.logFile('child'), 'utf8')).includes('alive'))
  process.kill(supervisor.processes()[0]!.pid!, 'SIGSTOP')
  expect(await supervisor.stop('child')).toBe(7)
})

it('ends what a killed supervisor has left behind', async () => {
  const folder = await tempDir()
  const left = new Supervisor(folder, silentLogger)
  // Not Node's channel: nothing but the next start ends it.
  left.run({ ...program(endless), channel: false })
  const pid = await waitFor(() => left.processes()[0]?.pid)
  const next = new Supervisor(folder, silentLogger)
  await waitFor(() => left.processes()[0]?.pid !== pid)
  await left.stop('child')
  expect(next.processes()).toEqual([])
})

it('prepares a stop that is asked for while the program still runs, and stops it whatever comes of that', async () => {
  const supervisor = new Supervisor(await tempDir(), silentLogger)
  const alive: boolean[] = []
  const only = () => supervisor.processes()[0]!
  supervisor.run({
    ...program(`process.on('SIGTERM', () => process.exit(7)); ${endless}`),
    beforeStop: async () => {
      alive.push(isAlive(only().pid!))
      throw new Error('nobody was there to ask')
    },
  })
  await waitFor(async () => (await readFile(supervisor.logFile('child'), 'utf8')).includes('alive'))
  expect(await supervisor.stop('child')).toBe(7)
  expect(alive).toEqual([true])
})
