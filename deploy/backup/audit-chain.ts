import { createHash } from 'node:crypto'
import type pg from 'pg'

/** Rows that are looked at in one go. */
const PAGE = 5_000

type Row = {
  seq: string
  fields: (string | number)[]
  details: { name: string; value: string }[]
  previous_hash: Buffer
  hash: Buffer
}

/**
 * Recomputes the chain of the audit log from its rows alone, apart from the service that writes it. Answers the first row
 * that does not follow from the one before it.
 */
export async function firstBreakOfAudit(client: pg.Client): Promise<{ seq: string } | undefined> {
  const { rows: found } = await client.query<{ there: boolean }>(
    `select to_regclass('audit.audit_rows') is not null as there`,
  )
  // A database of some services only, as tests make them.
  if (!found[0]?.there) return undefined
  let seq = 0n
  let hash: Buffer = Buffer.alloc(32)
  for (;;) {
    const { rows } = await client.query<Row>(
      `select seq::text, details, previous_hash, hash, json_build_array(event_id, service,
         round(extract(epoch from time) * 1000)::bigint, actor_kind, actor_id, action, target_type, target_id, outcome,
         error_code, address, user_agent, request_id, profile) as fields
       from audit.audit_rows r where r.seq > $1 order by r.seq limit $2`,
      [seq, PAGE],
    )
    for (const row of rows) {
      seq += 1n
      const details = row.details.map(({ name, value }) => [name, value])
      const encoding = JSON.stringify(['bitka.audit.v1', String(seq), ...row.fields, details])
      const expected = createHash('sha256').update(hash).update(encoding).digest()
      if (row.seq !== String(seq) || !row.previous_hash.equals(hash) || !row.hash.equals(expected)) {
        return { seq: row.seq }
      }
      hash = row.hash
    }
    if (rows.length < PAGE) return undefined
  }
}
