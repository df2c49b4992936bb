/** A record that is no command the engine knows. */
export class UndecodableError extends Error {
  override name = 'UndecodableError'
}

/** The engine's word for a number of the contract. */
export function word<K extends string>(table: Readonly<Record<K, number>>, value: number, field: string): K {
  for (const name in table) if (table[name] === value) return name
  throw new UndecodableError(`${field} is ${value}`)
}

/** An int64 of the contract as the engine's number. */
export function count(value: bigint, field: string): number {
  const number = Number(value)
  if (value < 0n || !Number.isSafeInteger(number)) throw new UndecodableError(`${field} is ${value}`)
  return number
}

/** An amount in minor units. */
export function amount(text: string, field: string): bigint {
  if (!/^(0|[1-9][0-9]{0,38})$/.test(text)) throw new UndecodableError(`${field} is no amount`)
  return BigInt(text)
}
