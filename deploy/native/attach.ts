import { connectControls } from './control.ts'
import { readFacts, type StackFacts } from './facts.ts'
import { stackHome } from './home.ts'

/** A stack that another process keeps. */
export type RunningStack = Omit<StackFacts, 'pid'> & {
  controls: ReturnType<typeof connectControls>
  /** The process of a program now. @throws when it has none */
  pid(name: string): Promise<number>
  /** Sends a signal to a program; what dies is started again by its keeper. */
  kill(name: string, signal?: NodeJS.Signals): Promise<void>
}

/** Attaches to the stack that runs. @throws when none does */
export function attachStack(home: string = process.env.BITKA_STACK_HOME ?? stackHome()): RunningStack {
  const facts = readFacts(home)
  if (!facts) throw new Error('no stack runs here: start one with make stack-up')
  const controls = connectControls(facts.controlSocket)
  const pid = async (name: string): Promise<number> => {
    const found = (await controls.processes()).find((candidate) => candidate.name === name)?.pid
    if (found === undefined) throw new Error(`${name} does not run`)
    return found
  }
  return {
    ...facts,
    controls,
    pid,
    kill: async (name, signal = 'SIGKILL') => {
      process.kill(await pid(name), signal)
    },
  }
}
