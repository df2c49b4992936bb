import { runMain } from '@bitka/service'
import { startNotification } from './service.ts'

runMain(startNotification)
