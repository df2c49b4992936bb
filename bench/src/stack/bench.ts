import { readFacts, stackHome } from '@bitka/deploy/native'
import type { Metric } from '../report.ts'
import { tempFolder } from '../temp-folder.ts'
import { benchKafka } from './kafka.ts'
import { benchMeshCall } from './mesh-call.ts'
import { benchStackOrders, type StackOrdersOptions } from './orders.ts'

/** Whether a stack runs on this machine: without one there is nothing to compare with. */
export const stackRuns = (): boolean => readFacts(process.env.BITKA_STACK_HOME ?? stackHome()) !== undefined

/** The full stack beside the embedded exchange: orders, starts, memory, a call of the mesh, events. */
export async function benchStack(options: Omit<StackOrdersOptions, 'folder'>): Promise<Metric[]> {
  const { cleanup } = options
  const metrics: Metric[] = []
  for (const part of [benchMeshCall, benchStackOrders, benchKafka]) {
    metrics.push(...(await part({ ...options, folder: tempFolder(cleanup) })))
    await cleanup.run()
  }
  return metrics
}
