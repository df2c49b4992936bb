import { toKeep } from './retention.ts'
import { firstMissing, segmentsBetween } from './wal-names.ts'

const on = (day: string, hour = '02') => ({ id: `${day} ${hour}`, finishedAt: `${day}T${hour}:00:00.000Z` })
const keptOf = (backups: { id: string; finishedAt: string }[], daily: number, weekly: number) =>
  [...toKeep(backups, { daily, weekly })].sort()

describe('retention', () => {
  it('keeps the newest of each of the last days and weeks', () => {
    const days = Array.from({ length: 28 }, (_, index) => on(`2026-11-${String(index + 1).padStart(2, '0')}`))
    // Weeks end on Sundays: the 15th, the 22nd; the 28th is a Saturday.
    expect(keptOf(days, 3, 3)).toEqual(['15', '22', '26', '27', '28'].map((day) => `2026-11-${day} 02`))
  })

  it('counts days that have a backup, not days of the calendar', () => {
    expect(keptOf([on('2026-01-01'), on('2026-05-01'), on('2026-09-01')], 2, 0)).toEqual([
      '2026-05-01 02',
      '2026-09-01 02',
    ])
  })

  it('keeps the last of a day, and the newest always', () => {
    expect(keptOf([on('2026-11-01', '02'), on('2026-11-01', '14')], 1, 0)).toEqual(['2026-11-01 14'])
    expect(keptOf([on('2026-11-01', '02'), on('2026-11-01', '14')], 0, 0)).toEqual(['2026-11-01 14'])
    expect(keptOf([], 7, 5)).toEqual([])
  })
})

describe('WAL segments', () => {
  const MB16 = 16n * 1024n * 1024n

  it('are counted over the end of a log file', () => {
    expect(segmentsBetween('0000000200000001000000FE', (2n << 32n) + MB16, MB16)).toEqual([
      '0000000200000001000000FE',
      '0000000200000001000000FF',
      '000000020000000200000000',
    ])
  })

  it('end before a boundary', () => {
    expect(segmentsBetween('000000010000000000000002', 3n * MB16, MB16)).toEqual(['000000010000000000000002'])
    expect(segmentsBetween('000000010000000000000002', 3n * MB16 + 1n, MB16)).toHaveLength(2)
  })

  it('are missed where later ones are there', () => {
    const last = '0000000100000000000000FE'
    const [next, after, far] = ['0000000100000000000000FF', '000000020000000100000000', '000000020000000100000002']
    const missing = (...names: string[]) => firstMissing([last, '00000002.history', ...names], last, MB16)
    expect(missing()).toBeUndefined()
    expect(missing(next, after)).toBeUndefined()
    expect(missing(after)).toBe('00000000000000FF')
    expect(missing(next, after, far)).toBe('0000000100000001')
  })
})
