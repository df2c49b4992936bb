import type { ErrorDetails, ErrorKind } from '@bitka/kernel'
import type { Outcome, Refusal } from './model.ts'

export const refuse = (kind: ErrorKind, message: string, details?: ErrorDetails): Outcome => ({
  ok: false,
  refusal: { kind, message, ...(details ? { details } : {}) },
})

/** Refusals that are an outcome and are kept for good. The others never began: the same request may be tried again. */
const DECIDED: ReadonlySet<ErrorKind> = new Set(['conflict', 'insufficient_funds', 'not_found'])
export const isDecided = (refusal: Refusal): boolean => DECIDED.has(refusal.kind)

export const insufficientFunds = (): Outcome => refuse('insufficient_funds', 'The balance does not cover this.')
export const accountFrozen = (): Outcome => refuse('conflict', 'The account is frozen.')
export const assetInactive = (): Outcome =>
  refuse('conflict', 'The asset does not take holds and transfers at the moment.')
export const accountNotFound = (): Outcome => refuse('not_found', 'There is no such account.')
