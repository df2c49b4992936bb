import { runMain } from '@bitka/service'
import { startAuth } from './service.ts'

runMain(startAuth)
