import { runMain } from '@bitka/service'
import { startOrder } from './service.ts'

runMain(startOrder)
