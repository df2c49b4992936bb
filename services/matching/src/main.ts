import { runMain } from '@bitka/service'
import { startMatching } from './service.ts'

runMain(startMatching)
