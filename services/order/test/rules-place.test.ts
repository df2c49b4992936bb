import { OrderSide, OrderType, SelfTradePrevention, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import { CreateOrderRequestSchema } from '@bitka/proto/bitka/order/v1/order_pb'
import { create } from '@bufbuild/protobuf'
import { draftOf } from '../src/domain/place.ts'

it('an order that says nothing else rests, takes, and is cancelled rather than traded with its owner', () => {
  const request = create(CreateOrderRequestSchema, {
    symbol: 'BTC-THB',
    side: OrderSide.BUY,
    type: OrderType.LIMIT,
    price: '1',
    quantity: '1',
  })
  expect(draftOf(request)).toMatchObject({
    timeInForce: TimeInForce.GTC,
    postOnly: false,
    selfTradePrevention: SelfTradePrevention.CANCEL_NEWEST,
  })
  const { price: _, ...rest } = request
  const market = create(CreateOrderRequestSchema, { ...rest, type: OrderType.MARKET })
  expect(draftOf(market).timeInForce).toBe(TimeInForce.IOC)
})
