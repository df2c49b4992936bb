import type { PaginationSchema } from '@bitka/proto/bitka/common/v1/common_pb'
import { type Page, pagination } from '@bitka/store'
import type { MessageInitShape } from '@bufbuild/protobuf'

/** Where a page stands: with its number and the total, or, when a cursor was used, without. */
export function pageOf(
  page: Page,
  total: number | undefined,
  nextCursor: string | undefined,
): MessageInitShape<typeof PaginationSchema> {
  if (total === undefined) return { perPage: page.perPage, nextCursor }
  return { ...pagination(page, total), nextCursor }
}

/** A page of a list that is short enough to be read whole. */
export const sliceOf = <T>(all: readonly T[], page: Page) => ({
  items: all.slice(page.offset, page.offset + page.limit),
  pagination: pagination(page, all.length),
})
