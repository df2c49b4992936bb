import type { EventLog, LogRecord } from '@bitka/events'

export type KafkaFigures = {
  eventsPerSecond: number
  events: number
  /** Of this process. */
  cpuUsPerEvent: number
  p50Ms: number
  p99Ms: number
}

const BATCH = 100
const IN_FLIGHT = 5
/** As large as an order's command. */
const VALUE_BYTES = 200

/** Appends batches of 100 events, five at a time, idempotent, acknowledged by all replicas; after a short warm-up. */
export async function measureKafka(log: EventLog, topic: string, events = 100_000): Promise<KafkaFigures> {
  const partitions = await log.partitions(topic)
  const value = new Uint8Array(VALUE_BYTES).fill(120)
  const waits: number[] = []
  const run = async (count: number): Promise<number> => {
    let batches = Math.ceil(count / BATCH)
    const startedMs = performance.now()
    const worker = async (): Promise<void> => {
      while (batches > 0) {
        batches -= 1
        const partition = batches % partitions
        const records = Array.from({ length: BATCH }, (_, i): LogRecord & { partition: number } => ({
          key: `M${partition}`,
          headers: { type: 'bench' },
          value,
          partition: (partition + i) % partitions,
        }))
        const sentMs = performance.now()
        await log.append(topic, records)
        waits.push(performance.now() - sentMs)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
    return performance.now() - startedMs
  }
  await run(events / 4)
  waits.length = 0
  const cpu = process.cpuUsage()
  const tookMs = await run(events)
  const { user, system } = process.cpuUsage(cpu)
  const sorted = waits.sort((a, b) => a - b)
  const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
  const sent = sorted.length * BATCH
  return {
    eventsPerSecond: (sent / tookMs) * 1_000,
    events: sent,
    cpuUsPerEvent: (user + system) / sent,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  }
}
