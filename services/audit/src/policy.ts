import type { ServicePolicy } from '@bitka/mesh'
import type { AuditService } from '@bitka/proto/bitka/audit/v1/audit_pb'

/** Who may call what. */
export const policy: ServicePolicy<typeof AuditService> = {
  searchAudit: { kind: 'user', roles: ['auditor', 'operator', 'admin'] },
}
