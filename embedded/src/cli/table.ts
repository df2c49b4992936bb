/** Rows as aligned lines; columns whose cells all look like numbers stand to the right. */
export function table(rows: readonly (readonly string[])[], indent = '  '): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length))
  const columns = Array.from({ length: count }, (_, index) => rows.map((row) => row[index] ?? ''))
  const widths = columns.map((cells) => Math.max(...cells.map((cell) => cell.length)))
  const numeric = columns.map((cells) => cells.every((cell) => /^[-+]?[\d.,]*$/.test(cell)))
  return rows.map((row) =>
    `${indent}${row
      .map((cell, index) => (numeric[index] ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0)))
      .join('  ')}`.trimEnd(),
  )
}

/** 2026-01-31T09:15:00.000Z as 2026-01-31 09:15:00. */
export const shortTime = (time: string): string => time.slice(0, 19).replace('T', ' ')
