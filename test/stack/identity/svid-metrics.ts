import { serviceTable } from '@bitka/deploy/table'

/** A metric of a service without labels of interest, by name and a part of its labels. */
export async function metric(port: number, name: string, label = ''): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(name) && one.includes(label) && !one.startsWith('#'))
  return Number(line?.split(' ').at(-1) ?? Number.NaN)
}

/** When the certificates of all services end, epoch seconds, by service. */
export async function expiries(): Promise<Map<string, number>> {
  return new Map(
    await Promise.all(
      serviceTable.map(
        async ({ name, metricsPort }) => [name, await metric(metricsPort, 'svid_expires_at_seconds')] as const,
      ),
    ),
  )
}
