import { assert } from '@bitka/kernel'
import { jsonCodec, type Queryable, type Tx } from '@bitka/store'
import type { Answer, AnswerKey, Outcome, Refusal, StoredAnswer } from '../domain/model.ts'
import { prepared } from './sql.ts'

type AnswerRow = {
  scope: string
  user_id: string
  key: string
  request_hash: Buffer
  outcome: string | null
  answer: Buffer | null
}

const select = prepared<AnswerRow>(
  'select_answers',
  `select i.scope, i.user_id, i.key, i.request_hash, i.outcome, i.answer
   from unnest($1::text[], $2::text[], $3::text[]) as k (scope, user_id, key)
   join idempotency i on i.scope = k.scope and i.user_id = k.user_id and i.key = k.key`,
)
// By key: see insert_holds.
const insert = prepared(
  'insert_answers',
  `insert into idempotency (scope, user_id, key, request_hash, outcome, answer, created_at)
   select a.*, $7::timestamptz
   from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bytea[])
     as a (scope, user_id, key, request_hash, outcome, answer)
   order by a.scope, a.user_id, a.key`,
)

const answers = jsonCodec<Answer>()
const refusals = jsonCodec<Refusal>()

/** The answers that were given under these keys. */
export async function selectAnswers(db: Queryable, keys: readonly AnswerKey[]): Promise<StoredAnswer[]> {
  if (keys.length === 0) return []
  const rows = await select(db, keyColumns(keys))
  return rows.map((row) => ({
    scope: row.scope,
    userId: row.user_id,
    key: row.key,
    requestHash: row.request_hash,
    outcome: toOutcome(row),
  }))
}

const keyColumns = (keys: readonly AnswerKey[]): [string[], string[], string[]] => [
  keys.map(({ scope }) => scope),
  keys.map(({ userId }) => userId),
  keys.map(({ key }) => key),
]

function toOutcome({ outcome, answer }: AnswerRow): Outcome {
  assert(outcome !== null && answer !== null, 'an idempotency row is visible before it has an outcome')
  return outcome === 'answer'
    ? { ok: true, answer: answers.decode(answer) }
    : { ok: false, refusal: refusals.decode(answer) }
}

export async function insertAnswers(tx: Tx, stored: readonly StoredAnswer[], now: Date): Promise<void> {
  if (stored.length === 0) return
  await insert(tx, [
    ...keyColumns(stored),
    stored.map(({ requestHash }) => Buffer.from(requestHash)),
    stored.map(({ outcome }) => (outcome.ok ? 'answer' : 'refusal')),
    stored.map(({ outcome }) =>
      Buffer.from(outcome.ok ? answers.encode(outcome.answer) : refusals.encode(outcome.refusal)),
    ),
    now,
  ])
}
