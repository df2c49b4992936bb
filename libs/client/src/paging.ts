import type { Page } from './types/common.ts'

/** Every item of a list that takes a cursor, page after page: `for await (const order of everyItem(client.orders.list, {}))`. */
export async function* everyItem<Q extends { cursor?: string }, T>(
  list: (query?: Q) => Promise<Page<T>>,
  query: NoInfer<Q>,
): AsyncGenerator<T, void, undefined> {
  let cursor = query.cursor
  do {
    const { items, pagination } = await list({ ...query, cursor })
    yield* items
    cursor = pagination.next_cursor
  } while (cursor !== undefined)
}
