import type { Clock } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'

/** The exchange's clock. */
export const getTime =
  (clock: Clock): MethodImpl<typeof MarketDataService.method.getTime> =>
  async () => {
    const nowMs = clock.nowMs()
    return { time: timestampFromMs(nowMs), epochMs: BigInt(nowMs) }
  }
