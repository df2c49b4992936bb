import { cursorTime, cutPage, decodeCursor, encodeCursor, pagination, parsePage } from '../src/index.ts'

describe('parsePage', () => {
  test.each([
    // input                            page, perPage, offset
    [{}, [1, 25, 0]],
    [{ page: '3' }, [3, 25, 50]],
    [{ page: 2, perPage: 200 }, [2, 200, 200]],
    [{ perPage: '1' }, [1, 1, 0]],
  ])('%j', (input, [page, perPage, offset]) => {
    expect(parsePage(input)).toEqual({ page, perPage, limit: perPage, offset })
  })

  test.each([
    [{ page: 0 }, 'page'],
    [{ page: '-1' }, 'page'],
    [{ page: '1.5' }, 'page'],
    [{ page: '' }, 'page'],
    [{ page: '1e3' }, 'page'],
    [{ page: 2 ** 31 }, 'page'],
    [{ perPage: 201 }, 'per_page'],
    [{ perPage: '0' }, 'per_page'],
    [{ perPage: Number.NaN }, 'per_page'],
  ])('refuses %j', (input, field) => {
    expect(() => parsePage(input)).toThrow(
      expect.objectContaining({ kind: 'invalid', details: { [field]: expect.any(String) } }),
    )
  })

  it('takes the limits of a list', () => {
    expect(parsePage({}, { defaultPerPage: 50 }).perPage).toBe(50)
    expect(() => parsePage({ perPage: 101 }, { maxPerPage: 100 })).toThrow('from 1 to 100')
  })
})

it('counts pages', () => {
  expect(pagination({ page: 1, perPage: 25 }, 51n)).toEqual({ page: 1, perPage: 25, total: 51n, totalPages: 3 })
  expect(pagination({ page: 1, perPage: 25 }, 0).totalPages).toBe(0)
})

describe('cursors', () => {
  const asPair = (key: unknown): [string, string] => {
    if (!Array.isArray(key) || key.length !== 2) throw new Error('no pair')
    return [String(key[0]), String(key[1])]
  }

  it('come back as they were made', () => {
    expect(decodeCursor(encodeCursor(['2026-01-01', 'ä']), asPair)).toEqual(['2026-01-01', 'ä'])
  })

  test.each(['', 'nonsense', '%%%', encodeCursor({ other: 1 }), `${encodeCursor(['a', 'b'])}=`, 'A'.repeat(2_000)])(
    'refuses %j',
    (cursor) => {
      expect(() => decodeCursor(cursor, asPair)).toThrow(
        expect.objectContaining({ kind: 'invalid', details: { cursor: expect.any(String) } }),
      )
    },
  )

  it('are given while there is a next page', () => {
    const rows = [{ id: 1 }, { id: 2 }, { id: 3 }]
    const { items, nextCursor } = cutPage(rows, 2, ({ id }) => id)
    expect(items).toEqual([{ id: 1 }, { id: 2 }])
    expect(decodeCursor(nextCursor ?? '', Number)).toBe(2)
    expect(cutPage(rows, 3, ({ id }) => id)).toEqual({ items: rows })
    expect(cutPage([], 3, () => 0)).toEqual({ items: [] })
  })
})

it('a time inside a cursor is one that a row can have', () => {
  expect(cursorTime(1_700_000_000_123)).toEqual(new Date(1_700_000_000_123))
  for (const timeMs of [-1, 253_402_300_800_000, 8.64e15, 8.64e15 + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => cursorTime(timeMs)).toThrow('no time of a row')
  }
})
