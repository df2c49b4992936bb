import { runMain } from '@bitka/service'
import { startLedger } from './service.ts'

runMain(startLedger)
