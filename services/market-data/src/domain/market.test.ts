import { notationOf } from './market.ts'

test.each([
  // tick      lot         ticks  lots  price       quantity  in books
  ['0.01', '0.000001', 150, 1_500_000, '1.5', '1.5', '1.50', '1.500000'],
  ['0.05', '0.002', 3, 5, '0.15', '0.01', '0.15', '0.010'],
  ['5', '10', 20, 30, '100', '300', '100', '300'], // zeros of whole numbers stay
  ['0.5', '1', 0, 0, '0', '0', '0.0', '0'],
])(
  'tick %s, lot %s: %i ticks and %i lots',
  (tickSize, lotSize, ticks, lots, price, quantity, bookPrice, bookQuantity) => {
    const notation = notationOf({ tickSize, lotSize })
    expect([notation.price(ticks), notation.quantity(lots)]).toEqual([price, quantity])
    expect([notation.bookPrice(ticks), notation.bookQuantity(lots)]).toEqual([bookPrice, bookQuantity])
  },
)
