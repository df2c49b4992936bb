import { assert, DomainError } from '@bitka/kernel'
import type { CallContext } from '@bitka/mesh'
import type { AuditInput } from '@bitka/service'
import type { LedgerContext } from '../context.ts'
import type { ItemResult } from '../domain/batch.ts'
import type { AnswerKey, Outcome, Refusal } from '../domain/model.ts'
import { isDecided } from '../domain/refusals.ts'
import type { Poster } from '../poster.ts'
import { selectAnswers } from '../store/answers.ts'

/** The answer that this key was given before; the same key with another request is refused. */
export async function firstAnswer(
  { db }: Pick<LedgerContext, 'db'>,
  key: AnswerKey | undefined,
): Promise<string | undefined> {
  if (!key) return undefined
  const [stored] = await selectAnswers(db, [key])
  if (!stored) return undefined
  if (Buffer.compare(stored.requestHash, key.requestHash) !== 0) {
    throw new DomainError('conflict', 'This idempotency key was already used for another request.')
  }
  return postingIdOf(stored.outcome)
}

/** The id that a posted item answers with. Throws its refusal. */
export function postingIdOf(outcome: Outcome | ItemResult): string {
  if (!outcome.ok) throw new DomainError(outcome.refusal.kind, outcome.refusal.message, outcome.refusal.details)
  assert(outcome.answer.postingId, 'a posted transaction has a side that was named')
  return outcome.answer.postingId
}

/** Runs what comes before the batch; a refusal that is final is remembered under the key like one of the batch itself. */
export async function rememberingRefusals<T>(
  poster: Poster,
  key: AnswerKey | undefined,
  prepare: () => Promise<T>,
): Promise<T> {
  try {
    return await prepare()
  } catch (error) {
    if (key && error instanceof DomainError && isDecided(error)) {
      const { kind, message, details } = error
      postingIdOf(await poster.post({ op: { type: 'refuse', refusal: { kind, message, details } }, key }))
    }
    throw error
  }
}

/** The REST codes of refusals that can be in the audit log. */
const codes: Partial<Record<Refusal['kind'], string>> = {
  not_found: 'NOT_FOUND',
  conflict: 'CONFLICT',
  insufficient_funds: 'INSUFFICIENT_FUNDS',
  unavailable: 'UNAVAILABLE',
}

/** Says what became of an item to the audit log. */
export const auditOf =
  (ctx: CallContext, action: string, facts: { target: AuditInput['target']; details: Record<string, string> }) =>
  (result: ItemResult): AuditInput => {
    const details = result.ok ? { ...facts.details, transaction_id: postingIdOf(result) } : facts.details
    const errorCode = result.ok ? undefined : (codes[result.refusal.kind] ?? 'INTERNAL_SERVER_ERROR')
    return { action, outcome: result.ok ? 'succeeded' : 'refused', errorCode, target: facts.target, ctx, details }
  }
