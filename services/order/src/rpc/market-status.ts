import type { CallContext } from '@bitka/mesh'
import type { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { commandStatus } from '../commands/markets.ts'
import type { OrderContext } from '../context.ts'
import { answerMarket } from './answer-market.ts'
import { checkText } from './request.ts'

type StatusChange<S extends DescMessage> = { schema: S; status: MarketStatus; action: string }

/** Asks the engine to take something else in a market, and waits a little for it. */
export function changeStatus<S extends DescMessage>(
  ctx: OrderContext,
  call: CallContext,
  request: MessageShape<S> & { symbol: string; reason?: string | undefined },
  { schema, ...change }: StatusChange<S>,
) {
  const { symbol, reason } = request
  checkText('reason', reason, 200)
  return answerMarket(ctx, call, { schema, request }, (tx) =>
    commandStatus(ctx, tx, { symbol, reason, call, ...change }),
  )
}
