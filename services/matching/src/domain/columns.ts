/** Reads a column of numbers. The engine only asks for slots that it took, so a hole cannot be met. */
export const num = (column: Float64Array, slot: number): number => column[slot] as number

/** Reads a column of slots and small codes. Apart from `num`, so that each stays monomorphic and is inlined. */
export const ref = (column: Int32Array, slot: number): number => column[slot] as number

/** The column with room for `size` slots, its content kept. */
export function growNumbers(column: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(size)
  grown.set(column)
  return grown
}

/** As growNumbers, for slots. */
export function growRefs(column: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(size)
  grown.set(column)
  return grown
}
