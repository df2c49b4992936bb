import type { Queryable } from '@bitka/store'
import { prepared } from './sql.ts'

/** Where a consumer stands in one partition. */
export type Cursor = { partition: number; nextOffset: bigint; stopped: boolean }

const select = prepared<{ partition: number; next_offset: bigint; stopped: boolean }>(
  'select_cursors',
  `select partition, next_offset, stopped_at is not null as stopped
   from consumer_cursors where consumer_group = $1 and topic = $2`,
)

export async function selectCursors(db: Queryable, group: string, topic: string): Promise<Cursor[]> {
  const rows = await select(db, [group, topic])
  return rows.map((row) => ({ partition: row.partition, nextOffset: row.next_offset, stopped: row.stopped }))
}
