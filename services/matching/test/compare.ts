import { inspect, isDeepStrictEqual } from 'node:util'
import type { Command } from '../src/domain/command.ts'
import { MarketEngine } from '../src/domain/engine.ts'
import type { Outcome, Result } from '../src/domain/result.ts'
import { Auditor } from './auditor.ts'
import { numbered, type Step } from './random-commands.ts'
import { type Mistake, ReferenceBook } from './reference-book.ts'

export type Options = {
  mistake?: Mistake
  /** After that many commands the engine is replaced by its own snapshot. */
  restoreAfter?: number
  onResult?: (result: Result) => void
}

/** Plays steps through engine and reference; answers what went wrong first, or null. */
export function difference(steps: readonly Step[], options: Options = {}): string | null {
  let engine = new MarketEngine()
  const reference = new ReferenceBook(options.mistake)
  const auditor = new Auditor()
  const commands = numbered(steps)
  for (const [index, command] of commands.entries()) {
    let outcome: Outcome
    let expected: Outcome
    try {
      outcome = engine.apply(command)
      expected = reference.apply(command)
      if (!isDeepStrictEqual(outcome, expected)) return describe(command, outcome, expected)
      auditor.check(command, outcome, engine)
    } catch (error) {
      return `${inspect(command)}\n${error instanceof Error ? error.stack : String(error)}`
    }
    for (const result of outcome.results) options.onResult?.(result)
    if (index + 1 === options.restoreAfter) {
      const hash = engine.stateHash()
      engine = MarketEngine.restore(engine.snapshot())
      if (engine.stateHash() !== hash) return `the hash differs after a restore after command ${command.seq}`
      const again = engine.apply(command)
      if (again.status !== 'duplicate' || engine.stateHash() !== hash) return 'a command was applied twice'
    }
  }
  return engine.stateHash() === replay(commands).stateHash() ? null : 'a replay has another hash'
}

/** A new engine that has seen those commands. */
export function replay(commands: readonly Command[]): MarketEngine {
  const engine = new MarketEngine()
  for (const command of commands) engine.apply(command)
  return engine
}

/** The fewest steps, by leaving out one after another, that still differ. */
export function smallest(steps: readonly Step[], options: Options = {}): Step[] {
  let kept = [...steps]
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = kept.length - size; at >= 0; at -= size) {
      const without = kept.toSpliced(at, size)
      if (without.length > 0 && difference(without, options) !== null) kept = without
    }
  }
  return kept
}

function describe(command: Command, outcome: Outcome, expected: Outcome): string {
  const show = (value: unknown) => inspect(value, { depth: 6, breakLength: 160 })
  return `command ${show(command)}\nengine ${show(outcome)}\nreference ${show(expected)}`
}
