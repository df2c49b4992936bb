import type { EventLog } from '@bitka/events'
import {
  MatchResultSchema,
  MatchResultsSchema,
  type OrderCommand,
  OrderCommandSchema,
} from '@bitka/proto/bitka/events/v1/trading_pb'
import { waitFor } from '@bitka/testkit'
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'

type Results = MessageInitShape<typeof MatchResultsSchema>
type Result = MessageInitShape<typeof MatchResultSchema>
export type Body = NonNullable<Result['body']>

const COMMANDS = 'trading.orders.commands'
const RESULTS = 'trading.matches.executed'

/** Stands in for matching: reads the commands from the log, and says what the test wants it to say. */
export class Engine {
  /** All commands, in the order of the log; a market's are of one partition. */
  readonly commands: (OrderCommand & { partition: number; headers: Record<string, string> })[] = []
  /** False: commands about markets are answered at once, as matching would. */
  silent = false
  private readonly numbers = new Map<string, bigint>()
  private readonly controller = new AbortController()
  private readonly reading: Promise<void>[]

  constructor(
    private readonly log: EventLog,
    partitions: number,
  ) {
    this.reading = [...Array(partitions).keys()].map((partition) => this.read(partition))
  }

  /** The commands of a kind in a market. */
  of(symbol: string, kind: OrderCommand['body']['case']): OrderCommand[] {
    return this.commands.filter((command) => command.symbol === symbol && command.body.case === kind)
  }

  /** The command that brought an order. */
  async commandOf(orderId: string): Promise<OrderCommand> {
    return waitFor(() => this.commands.find(({ body }) => body.case === 'newOrder' && body.value.orderId === orderId), {
      what: `the command of order ${orderId}`,
    })
  }

  /** Appends what one command led to; results are numbered here, without gaps unless `skip` leaves some out. */
  async say(symbol: string, bodies: Body[], over: Results & { skip?: bigint; from?: bigint } = {}): Promise<void> {
    const { skip = 0n, from, ...fields } = over
    const first = from ?? (this.numbers.get(symbol) ?? 0n) + 1n + skip
    if (from === undefined) this.numbers.set(symbol, first + BigInt(bodies.length) - 1n)
    const message = create(MatchResultsSchema, {
      symbol,
      commandSeq: this.commands.filter((command) => command.symbol === symbol).at(-1)?.commandSeq ?? 0n,
      timeMs: BigInt(Date.now()),
      ...fields,
      results: bodies.map((body, index) => create(MatchResultSchema, { number: first + BigInt(index), body })),
    })
    const partition = this.commands.find((command) => command.symbol === symbol)?.partition ?? 0
    const value = toBinary(MatchResultsSchema, message)
    await this.log.append(RESULTS, [{ key: symbol, headers: { type: MatchResultsSchema.typeName }, value, partition }])
  }

  /** Says that an order was taken. */
  async accept(orderId: string): Promise<void> {
    const { symbol } = await this.commandOf(orderId)
    await this.say(symbol, [{ case: 'orderAccepted', value: { orderId } }])
  }

  async stop(): Promise<void> {
    this.controller.abort()
    await Promise.all(this.reading)
  }

  private async read(partition: number): Promise<void> {
    const { signal } = this.controller
    for (let position = 0n; !signal.aborted; ) {
      const { records, nextOffset } = await this.log.read(COMMANDS, partition, position, { waitMs: 1_000, signal })
      position = nextOffset
      for (const record of records) {
        const command = fromBinary(OrderCommandSchema, record.value)
        // As matching does: a command that was sent twice counts once.
        if (
          this.commands.some(({ symbol, commandSeq }) => symbol === command.symbol && commandSeq === command.commandSeq)
        )
          continue
        this.commands.push({ ...command, partition, headers: record.headers })
        if (!this.silent) await this.answer(command)
      }
    }
  }

  private async answer({ symbol, commandSeq, body }: OrderCommand): Promise<void> {
    if (body.case === 'defineMarket')
      await this.say(symbol, [{ case: 'marketDefined', value: body.value }], { commandSeq })
    if (body.case === 'setStatus') {
      await this.say(symbol, [{ case: 'marketStatusChanged', value: { status: body.value.status } }], { commandSeq })
    }
  }
}
