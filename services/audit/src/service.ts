import { auditTopics } from '@bitka/events'
import { implement } from '@bitka/mesh'
import { AuditService } from '@bitka/proto/bitka/audit/v1/audit_pb'
import { baseShape, defineService } from '@bitka/service'
import { z } from 'zod'
import { recordActions } from './events/record-actions.ts'
import { policy } from './policy.ts'
import { searchAudit } from './rpc/search-audit.ts'

/** The audit log: what everybody did, append-only and hash-chained. */
export const startAudit = defineService({
  name: 'audit',
  schema: z.object(baseShape),
  build: async ({ db }) => ({
    rpcs: [implement(AuditService, { searchAudit: searchAudit(db) }, policy)],
    // Order within a producer does not matter to the chain, which orders by arrival: a bad record is parked, not waited for.
    consumers: [{ group: 'audit.log', topics: [...auditTopics], ordered: false, handle: recordActions }],
  }),
})
