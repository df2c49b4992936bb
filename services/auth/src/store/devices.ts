import { createHash } from 'node:crypto'
import type { Queryable, Tx } from '@bitka/store'

/** Where somebody signs in from. */
export type Device = { address: string; userAgent: string }

const agentHash = (userAgent: string): Buffer => createHash('sha256').update(userAgent).digest()

/** Remembers the device; true when the user had never signed in from it. */
export async function remember(tx: Tx, userId: string, device: Device, now: Date): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into devices (user_id, address, agent_hash, first_seen_at) values ($1, $2, $3, $4) on conflict do nothing`,
    [userId, device.address, agentHash(device.userAgent), now],
  )
  return rowCount === 1
}

/** True when the user has signed in from this address before, with whatever user agent. */
export async function isKnownAddress(db: Queryable, userId: string | undefined, address: string): Promise<boolean> {
  const { rowCount } = await db.query('select 1 from devices where user_id = $1 and address = $2 limit 1', [
    userId ?? null,
    address,
  ])
  return rowCount === 1
}
