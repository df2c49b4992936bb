import { runMain } from '@bitka/service'
import { startUser } from './service.ts'

runMain(startUser)
