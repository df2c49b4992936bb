import { invalidField } from '@bitka/kernel'

export type Page = { page: number; perPage: number; limit: number; offset: number }
/** As bitka.common.v1.Pagination has it. */
export type Pagination = { page: number; perPage: number; total: bigint; totalPages: number }

const MAX_PAGE = 2 ** 31 - 1

function wholeNumber(value: number | string | undefined, field: string, fallback: number, max: number): number {
  if (value === undefined) return fallback
  const number = typeof value === 'number' ? value : /^[0-9]{1,10}$/.test(value) ? Number(value) : Number.NaN
  if (!Number.isInteger(number) || number < 1 || number > max) {
    throw invalidField(field, `must be a whole number from 1 to ${max}`)
  }
  return number
}

/**
 * Reads page and per_page of a list; an absent one takes its default. Zero is refused: pass `req.page || undefined` where
 * zero means unset on the wire.
 * @throws DomainError invalid, naming page or per_page
 */
export function parsePage(
  input: { page?: number | string; perPage?: number | string },
  limits: { defaultPerPage?: number; maxPerPage?: number } = {},
): Page {
  const page = wholeNumber(input.page, 'page', 1, MAX_PAGE)
  const perPage = wholeNumber(input.perPage, 'per_page', limits.defaultPerPage ?? 25, limits.maxPerPage ?? 200)
  return { page, perPage, limit: perPage, offset: (page - 1) * perPage }
}

/** What a list says about its pages. `total` may be the bigint that count(*) gives. */
export function pagination({ page, perPage }: Pick<Page, 'page' | 'perPage'>, total: number | bigint): Pagination {
  return { page, perPage, total: BigInt(total), totalPages: Math.ceil(Number(total) / perPage) }
}

/** An opaque cursor from the sort key of a page's last row: JSON values only, so bigint and Date as strings. */
export const encodeCursor = (key: unknown): string => Buffer.from(JSON.stringify(key)).toString('base64url')

/**
 * Reads a cursor made by encodeCursor. `parse` (a zod schema's parse, say) checks what is inside and may throw: a cursor
 * comes from outside.
 * @throws DomainError invalid, naming cursor
 */
export function decodeCursor<T>(cursor: string, parse: (key: unknown) => T): T {
  try {
    if (cursor.length > 1_024 || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw new Error('not base64url')
    return parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')))
  } catch {
    throw invalidField('cursor', 'is not a cursor of this list')
  }
}

const TIME_MS_MIN = Date.UTC(1970, 0, 1)
const TIME_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * The time inside a cursor, in epoch ms, for the `parse` of decodeCursor. A cursor that somebody made up may hold one that
 * the database cannot store.
 * @throws Error
 */
export function cursorTime(timeMs: number): Date {
  if (!(timeMs >= TIME_MS_MIN && timeMs <= TIME_MS_MAX)) throw new Error('no time of a row')
  return new Date(timeMs)
}

/** Cuts a keyset page out of up to perPage + 1 rows: the row too many only says that a next page exists. */
export function cutPage<R>(
  rows: R[],
  perPage: number,
  keyOf: (last: R) => unknown,
): { items: R[]; nextCursor?: string } {
  if (rows.length <= perPage) return { items: rows }
  const items = rows.slice(0, perPage)
  const last = items.at(-1)
  return last === undefined ? { items } : { items, nextCursor: encodeCursor(keyOf(last)) }
}
