import pg from 'pg'

export const INT8 = 20
const INT8_ARRAY = 1016
const NUMERIC_ARRAY = 1231
const DATE = 1082

export const parseInt8 = (text: string): bigint => BigInt(text)

// pg-types reads any array of text; text[] is the one whose elements stay as they are.
const TEXT_ARRAY: number = 1009
const textArray = pg.types.getTypeParser(TEXT_ARRAY) as (text: string) => (string | null)[]

const own: Record<number, (text: string) => unknown> = {
  [INT8]: parseInt8,
  [INT8_ARRAY]: (text) => textArray(text).map((item) => (item === null ? null : BigInt(item))),
  // pg's default makes floats of these.
  [NUMERIC_ARRAY]: textArray,
  // pg's default makes midnight of the machine's time zone.
  [DATE]: (text) => text,
}

/** int8 → bigint, numeric → string, date → string, timestamptz → Date, arrays alike. Never a float for money. */
export const typeParsers = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
    return (format === 'binary' ? undefined : own[oid]) ?? pg.types.getTypeParser(oid, format)
  },
}
