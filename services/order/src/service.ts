import { implement } from '@bitka/mesh'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { defineService } from '@bitka/service'
import { buildContext } from './build-context.ts'
import { orderGatherer } from './commands/place.ts'
import { orderSchema } from './config.ts'
import { resendMissing } from './events/resend.ts'
import { applyResults, RESULTS } from './events/results.ts'
import { orderPolicy } from './policy.ts'
import { orderRpcs } from './rpc/index.ts'
import { seedMarkets } from './seed.ts'

/** Markets, and the life of orders. */
export const startOrder = defineService({
  name: 'order',
  schema: orderSchema,
  build: async (service) => {
    const { ctx, loops } = buildContext(service)
    const gatherer = orderGatherer(ctx)
    const seedFile = service.config.BITKA_SEED_FILE
    const seeding = seedFile === undefined ? undefined : seedMarkets(ctx, seedFile)
    return {
      rpcs: [implement(OrderService, orderRpcs(ctx, gatherer), orderPolicy)],
      consumers: [{ group: 'order.results', topics: [RESULTS], ordered: true, handle: applyResults(ctx) }],
      loops: seeding ? [...loops, seeding.loop] : loops,
      dependencies: async () => (seeding ? [seeding.dependency()] : []),
      beforeFirstRelay: resendMissing(service.log),
      onStop: () => gatherer.drain(),
    }
  },
})
