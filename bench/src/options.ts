import { parseArgs } from 'node:util'

export const parts = ['engine', 'ledger', 'orders', 'up', 'stack'] as const
export type Part = (typeof parts)[number]

export type Options = {
  /** Which parts to measure; stack only where one runs (make stack-up). */
  only: readonly Part[]
  /** Timed commands of each engine stream. */
  commands: number
  /** How often each figure is measured, peers in turn; the median counts. */
  rounds: number
  /** How long one round of the ledger or of orders lasts. */
  seconds: number
  seed: number
}

const HELP = `node scripts/bench.mjs [--only engine,ledger,orders,up,stack] [--commands 200000] [--rounds 3] [--seconds 3] [--seed 1]`

const whole = (name: string, text: string, min: number, max: number): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`--${name} must be a whole number from ${min} to ${max}\n${HELP}`)
  }
  return value
}

export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: parts.join(',') },
      commands: { type: 'string', default: '200000' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
    },
  })
  const only = values.only.split(',').map((name) => {
    const part = parts.find((known) => known === name)
    if (!part) throw new Error(`--only knows ${parts.join(', ')}, not ${name}\n${HELP}`)
    return part
  })
  return {
    only,
    commands: whole('commands', values.commands, 1_000, 10_000_000),
    rounds: whole('rounds', values.rounds, 1, 20),
    seconds: whole('seconds', values.seconds, 1, 60),
    seed: whole('seed', values.seed, 0, 2 ** 31),
  }
}
