import { type CallContext, userOf } from '@bitka/mesh'
import { type Market, MarketSchema } from '@bitka/proto/bitka/order/v1/order_pb'
import { type Codec, idempotent, type Tx } from '@bitka/store'
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { type Commanded, waitForMarket } from '../commands/markets.ts'
import type { OrderContext } from '../context.ts'
import { encodeMarket } from './encode.ts'
import { ONE_DAY_MS, rememberedAs, waitOf } from './request.ts'

/** How long the operators' calls wait for the engine to have read the command. */
export const MARKET_WAIT_MS = 2_000

const codec: Codec<Market> = {
  encode: (market) => toBinary(MarketSchema, market),
  decode: (bytes) => fromBinary(MarketSchema, bytes),
}

/**
 * Sends a market's command once for an Idempotency-Key, waits a little for the engine, and answers the market as it is
 * then. A repeat gets that same answer, whatever the market has become since.
 */
export async function answerMarket<S extends DescMessage>(
  ctx: OrderContext,
  call: CallContext,
  { schema, request }: { schema: S; request: MessageShape<S> },
  command: (tx: Tx) => Promise<Commanded>,
): Promise<{ market: Market }> {
  const options = { ttlMs: ONE_DAY_MS, now: ctx.clock.now() }
  const key = rememberedAs(call, userOf(call).userId, schema, request, options)
  const commanded = await ctx.db.transaction((tx) => (key ? idempotent(tx, key, () => command(tx)) : command(tx)))
  const view = await waitForMarket(ctx, commanded, waitOf(call, MARKET_WAIT_MS))
  const market = create(MarketSchema, encodeMarket(view))
  if (!key) return { market }
  // The command and its answer are two commits: in between somebody waits for the engine.
  const answered = { ...key, scope: `${key.scope} answer` }
  return { market: await ctx.db.transaction((tx) => idempotent(tx, answered, async () => market, codec)) }
}
