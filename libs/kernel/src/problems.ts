import { DomainError } from './errors.ts'

/** Gathers what is wrong with a request, so that the caller hears of every field at once. */
export class Problems {
  private readonly details: Record<string, string> = {}

  add(field: string, reason: string): void {
    this.details[field] ??= reason
  }

  check(good: boolean, field: string, reason: string): void {
    if (!good) this.add(field, reason)
  }

  /** What `read` answers, or undefined when it refuses with named fields. */
  read<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof DomainError) || error.kind !== 'invalid') throw error
      for (const [field, reason] of Object.entries(error.details)) this.add(field, reason)
      return undefined
    }
  }

  /** @throws DomainError invalid when anything was wrong */
  throwIfAny(): void {
    const fields = Object.entries(this.details)
    const [first] = fields
    if (!first) return
    const more = fields.length > 1 ? ` ${fields.length - 1} more of its fields are wrong.` : ''
    throw new DomainError('invalid', `The field ${first[0]} ${first[1]}.${more}`, this.details)
  }
}
