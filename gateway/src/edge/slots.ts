import { addressKey } from './address.ts'

/** How many long-lived streams each address holds open. */
export class StreamSlots {
  private readonly held = new Map<string, number>()

  constructor(private readonly perAddress: number) {}

  /** Takes a slot; answers how to give it back, or undefined when the address has none left. */
  take(address: string): (() => void) | undefined {
    const key = addressKey(address)
    const count = this.held.get(key) ?? 0
    if (count >= this.perAddress) return undefined
    this.held.set(key, count + 1)
    let released = false
    return () => {
      if (released) return
      released = true
      const left = (this.held.get(key) ?? 1) - 1
      if (left > 0) this.held.set(key, left)
      else this.held.delete(key)
    }
  }
}
