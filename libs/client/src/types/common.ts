/** A decimal number in a string, for example "0.01". Amounts, prices and quantities are never JSON numbers. */
export type Decimal = string
/** RFC 3339, UTC, for example "2026-01-31T00:00:00.000Z". */
export type Time = string
/** A JSON value that an answer attaches for its author. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
export type Metadata = { [name: string]: Json }

/** Where a page stands in its list. With a cursor no page and no total is known. */
export type Pagination = {
  page?: number
  per_page: number
  total?: number
  total_pages?: number
  /** What to send as `cursor` for the next page; absent on the last page. */
  next_cursor?: string
}

export type Page<T> = { items: T[]; pagination: Pagination }
export type PageQuery = { page?: number; per_page?: number }
export type CursorQuery = PageQuery & { cursor?: string }
