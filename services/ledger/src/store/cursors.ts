import { and, eq, isNotNull, sql } from 'drizzle-orm'
import { consumerCursors, type Orm } from './tables.ts'

/** Where a consumer stands in one partition. */
export type Cursor = { partition: number; nextOffset: bigint; stopped: boolean }

export function selectCursors({ orm }: Orm, group: string, topic: string): Promise<Cursor[]> {
  return orm
    .select({
      partition: consumerCursors.partition,
      nextOffset: consumerCursors.nextOffset,
      stopped: sql<boolean>`${isNotNull(consumerCursors.stoppedAt)}`,
    })
    .from(consumerCursors)
    .where(and(eq(consumerCursors.consumerGroup, group), eq(consumerCursors.topic, topic)))
}
