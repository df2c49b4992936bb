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

const PER_PAGE_MAX = 200

/** All items of a list that is paged by number and ends, such as accounts and assets: `await allItems(client.ledger.accounts, {})`. */
export async function allItems<Q extends { page?: number; per_page?: number }, T>(
  list: (query?: Q) => Promise<Page<T>>,
  query: NoInfer<Q>,
): Promise<T[]> {
  const all: T[] = []
  for (let page = 1; ; page += 1) {
    const { items, pagination } = await list({ ...query, page, per_page: PER_PAGE_MAX })
    all.push(...items)
    if (page >= (pagination.total_pages ?? 1)) return all
  }
}
