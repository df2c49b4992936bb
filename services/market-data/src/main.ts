import { runMain } from '@bitka/service'
import { startMarketData } from './service.ts'

runMain(startMarketData)
