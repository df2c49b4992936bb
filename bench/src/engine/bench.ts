import type { Metric } from '../report.ts'
import { median, round, shown, spread } from '../stats.ts'
import { latenciesOfOurs, type Outcome, type Run, runOurs, runPeer, runWhole, toCommands } from './players.ts'
import { deep, record, type Stream, type StreamShape, shallow } from './stream.ts'

/** A round repeats the stream, each time on a new book, until it has taken at least this long. */
const ROUND_MS = 400

export type EngineOptions = { commands: number; rounds: number; seed: number; log: (line: string) => void }

/** Our engine beside npm nodejs-order-book, on the same recorded commands. */
export function benchEngine(options: EngineOptions): Metric[] {
  const { commands, seed } = options
  return [shallow(commands, seed), deep(commands, seed)].map((shape) => benchStream(shape, options))
}

function benchStream(shape: StreamShape, { rounds, log }: EngineOptions): Metric {
  const stream = record(shape)
  const ids = Array.from({ length: stream.length + 1 }, (_, seq) => `order-${seq}`)
  const commands = toCommands(stream)
  const players = [
    { name: 'ours', run: () => runOurs(stream) },
    { name: 'whole', run: () => runWhole(stream, commands) },
    { name: 'peer', run: () => runPeer(stream, ids) },
  ]
  const rates = new Map<string, number[]>(players.map(({ name }) => [name, []]))
  let expected: Outcome | undefined
  // Round 0 is the warm-up.
  for (let turn = 0; turn <= rounds; turn += 1) {
    for (const { name, run } of players) {
      let [elapsedMs, runs] = [0, 0]
      while (elapsedMs < ROUND_MS) {
        const result = run()
        expected ??= result
        sameOutcome(stream, name, expected, result)
        elapsedMs += result.elapsedMs
        runs += 1
      }
      const perSecond = ((runs * shape.commands) / elapsedMs) * 1000
      if (turn > 0) rates.get(name)?.push(perSecond)
      log(
        `engine.${shape.name} ${turn === 0 ? 'warm-up' : `round ${turn}`} ${name}: ${Math.round(perSecond)} commands/s`,
      )
    }
  }
  const latencies = spread(latenciesOfOurs(stream))
  const micro = ({ count, ...rest }: typeof latencies) =>
    shown({ count, p50: rest.p50 * 1000, p99: rest.p99 * 1000, p999: rest.p999 * 1000, max: rest.max * 1000 })
  const of = (name: string): number => Math.round(median(rates.get(name) ?? []))
  return {
    id: `engine.${shape.name}`,
    value: of('ours'),
    unit: 'commands/s',
    better: 'higher',
    peer: 'npm nodejs-order-book',
    peer_value: of('peer'),
    conditions: {
      stream: {
        seed: shape.seed,
        timed_commands: shape.commands,
        resting: shape.resting,
        levels: 2 * shape.levelsPerSide,
        mix: stream.mix,
        traded_lots: expected?.tradedLots,
        cancelled: expected?.cancelled,
      },
      what: 'ours: the matcher with order pool, level index and level changes told to a sink that counts; peer: limit() and cancel() with string ids made before; one thread, same process, the same trades and the same final book checked after every run',
      rounds,
      round_ms_min: ROUND_MS,
      warm_up_rounds: 1,
      rates_ours: rates.get('ours')?.map(Math.round),
      rates_peer: rates.get('peer')?.map(Math.round),
      whole_engine_per_s: of('whole'),
      whole_engine:
        'MarketEngine.apply as the matching service calls it: ids, numbered results, money, fees and holds as bigint',
      whole_engine_to_peer: round(of('whole') / of('peer')),
      latency_us: micro(latencies),
    },
  }
}

function sameOutcome(stream: Stream, name: string, expected: Outcome, got: Run): void {
  if (got.tradedLots !== expected.tradedLots || got.cancelled !== expected.cancelled) {
    throw new Error(
      `${stream.name}: ${name} traded ${got.tradedLots} lots and cancelled ${got.cancelled}, ours ${expected.tradedLots} and ${expected.cancelled}`,
    )
  }
  if (got.book !== expected.book) throw new Error(`${stream.name}: ${name} ended with another book`)
}
