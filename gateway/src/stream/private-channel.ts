import { DomainError, type Logger, newId } from '@bitka/kernel'
import type { CallOptions, Client } from '@bitka/mesh'
import {
  BalanceUpdateSchema,
  type LedgerService,
  type StreamBalancesResponse,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import {
  OrderFillSchema,
  OrderSchema,
  type OrderService,
  type StreamFillsResponse,
  type StreamOrdersResponse,
} from '@bitka/proto/bitka/order/v1/order_pb'
import { encodeMessage, type JsonRecord } from '../rest/encode.ts'
import { FINAL, follow } from './follow.ts'
import { frame } from './frame.ts'

export const privateChannels = ['orders', 'fills', 'balances'] as const
export type PrivateChannelName = (typeof privateChannels)[number]

/** Where private channels come from. */
export type PrivateSources = { orders: () => Client<typeof OrderService>; ledger: () => Client<typeof LedgerService> }

export type PrivateChannelOptions = {
  name: PrivateChannelName
  sources: PrivateSources
  /** The token of the moment: it is asked for at each new stream. */
  token: () => string
  edge: CallOptions['edge']
  sinceFillId?: string
  send: (bytes: Buffer) => void
  /** The channel ended by itself. */
  onRefused: (error: DomainError) => void
  log: Logger
}

/** One user's orders, fills or balances, for one connection. Its seq counts the frames of this connection and channel. */
export class PrivateChannel {
  private seq = 0
  private sinceFillId: string | undefined
  private controller: AbortController | undefined

  constructor(private readonly options: PrivateChannelOptions) {
    this.sinceFillId = options.sinceFillId
  }

  /** Begins, or begins anew with a snapshot. */
  start(): void {
    this.pause()
    const controller = new AbortController()
    this.controller = controller
    void this.run(controller.signal).catch((error: unknown) => {
      const refusal = error instanceof DomainError ? error : new DomainError('internal', '', {}, { cause: error })
      if (!controller.signal.aborted) this.options.onRefused(refusal)
    })
  }

  /** Sends nothing until the next start. */
  pause(): void {
    this.controller?.abort()
    this.controller = undefined
  }

  private run(signal: AbortSignal): Promise<void> {
    const { name, sources, token, edge, log } = this.options
    const call = (): CallOptions => ({ ctx: { requestId: newId() }, token: token(), edge, signal })
    const common = { name: `private ${name}`, final: FINAL, signal, log }
    switch (name) {
      case 'orders':
        return follow({
          ...common,
          open: () => sources.orders().streamOrders({}, call()),
          onMessage: (message) => this.onOrders(message),
        })
      case 'fills':
        return follow({
          ...common,
          open: () => sources.orders().streamFills({ sinceFillId: this.sinceFillId }, call()),
          onMessage: (message) => this.onFills(message),
        })
      case 'balances':
        return follow({
          ...common,
          open: () => sources.ledger().streamBalances({}, call()),
          onMessage: (message) => this.onBalances(message),
        })
    }
  }

  private onOrders({ snapshot, items }: StreamOrdersResponse): void {
    const orders = items.map((order) => encodeMessage(OrderSchema, order))
    if (snapshot) this.send('snapshot', { items: orders })
    else for (const order of orders) this.send('order', { order })
  }

  private onFills({ snapshot, items }: StreamFillsResponse): void {
    const fills = items.map((fill) => encodeMessage(OrderFillSchema, fill))
    // A stream opened again goes on after what the client has seen.
    this.sinceFillId = items.at(-1)?.fillId ?? this.sinceFillId
    if (snapshot) this.send('snapshot', { items: fills })
    else {
      for (const { order_id = null, symbol = null, side = null, ...fill } of fills) {
        this.send('fill', { order_id, symbol, side, fill })
      }
    }
  }

  private onBalances({ snapshot, items }: StreamBalancesResponse): void {
    const balances = items.map((balance) => encodeMessage(BalanceUpdateSchema, balance))
    if (snapshot) this.send('snapshot', { items: balances })
    else for (const balance of balances) this.send('balance', balance)
  }

  private send(type: string, content: JsonRecord): void {
    const prevSeq = this.seq
    this.seq += 1
    const head = { channel: this.options.name, type, seq: this.seq, prev_seq: prevSeq }
    this.options.send(frame({ ...head, ...content, timestamp: new Date().toISOString() }))
  }
}
