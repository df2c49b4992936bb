import { runMain } from '@bitka/service'
import { startGateway } from './service.ts'

runMain(startGateway)
