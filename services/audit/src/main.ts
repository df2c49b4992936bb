import { runMain } from '@bitka/service'
import { startAudit } from './service.ts'

runMain(startAudit)
