import { assert } from '@bitka/kernel'
import { eq, sql } from 'drizzle-orm'
import { type Orm, orders } from './tables.ts'

/** How long the first request with an order's key preferred to wait for the engine, and the answer that is kept for it. */
export type FirstAnswer = { waitMs: number; answer: Buffer | null }

export async function firstOf({ orm }: Orm, orderId: string): Promise<FirstAnswer> {
  const [row] = await orm
    .select({ waitMs: orders.waitMs, answer: orders.answer })
    .from(orders)
    .where(eq(orders.id, orderId))
  assert(row, 'orders are never deleted')
  return row
}

/** Keeps an answer, unless there is one already; answers the one that is kept. */
export async function keep({ orm }: Orm, orderId: string, answer: Uint8Array): Promise<Buffer> {
  const kept = sql<Buffer>`coalesce(${orders.answer}, ${sql.param(Buffer.from(answer), orders.answer)})`
  const [row] = await orm
    .update(orders)
    .set({ answer: kept })
    .where(eq(orders.id, orderId))
    .returning({ answer: orders.answer })
  assert(row?.answer, 'orders are never deleted')
  return row.answer
}
