import { createHash } from 'node:crypto'
import type { Tx } from '@bitka/store'
import { and, eq, sql } from 'drizzle-orm'
import { devices, type Orm } from './tables.ts'

/** Where somebody signs in from. */
export type Device = { address: string; userAgent: string }

const hashOf = (userAgent: string): Buffer => createHash('sha256').update(userAgent).digest()

/** Remembers the device; true when the user had never signed in from it. */
export async function remember(tx: Tx, userId: string, device: Device, now: Date): Promise<boolean> {
  const { rowCount } = await tx.orm
    .insert(devices)
    .values({ userId, address: device.address, agentHash: hashOf(device.userAgent), firstSeenAt: now })
    .onConflictDoNothing()
  return rowCount === 1
}

/** True when the user has signed in from this address before, with whatever user agent. */
export async function isKnownAddress({ orm }: Orm, userId: string | undefined, address: string): Promise<boolean> {
  // Nobody's devices are looked for as well: see beginAttempt.
  const user = sql`${userId ?? null}`
  const rows = await orm
    .select({ address: devices.address })
    .from(devices)
    .where(and(eq(devices.userId, user), eq(devices.address, address)))
    .limit(1)
  return rows.length === 1
}
