import { waitFor } from '@bitka/testkit'
import { grpcTarget } from '../src/channels.ts'
import { bindEcho, Harness } from './harness.ts'

let harness: Harness
beforeAll(async () => {
  harness = await Harness.open()
})
afterAll(() => harness.close())

const named = (name: string) => ({ services: [bindEcho({ echo: async () => ({ text: name }) })], host: '127.0.0.1' })

it('a peer is one place, a name of many, or a list', () => {
  expect(grpcTarget('localhost:7040')).toEqual({ target: 'localhost:7040', options: {} })
  const options = { 'grpc.service_config': expect.stringContaining('round_robin') }
  expect(grpcTarget('dns:///order:7040')).toEqual({ target: 'dns:///order:7040', options })
  expect(grpcTarget('127.0.0.1:1|127.0.0.1:2')).toEqual({ target: 'ipv4:127.0.0.1:1,127.0.0.1:2', options })
})

it('a replica is replaced while calls go on, and none fails', async () => {
  const old = await harness.serve(named('old'))
  const staying = await harness.serve(named('staying'))
  const target = `127.0.0.1:${old.port}|127.0.0.1:${staying.port}`
  const order = harness.client(old, 'order', { target })
  const seen: string[] = []
  let stopped = false
  const load = Array.from({ length: 4 }, async () => {
    // No method of this client is idempotent: nothing is tried twice.
    while (!stopped) seen.push((await order.echo({})).text)
  })
  await waitFor(() => seen.includes('old') && seen.includes('staying'))
  await old.drain(5_000)
  const drained = seen.length
  await waitFor(() => seen.length > drained + 50)
  expect(new Set(seen.slice(drained + 10))).toEqual(new Set(['staying']))
  await harness.serve({ ...named('new'), port: old.port })
  await waitFor(() => seen.includes('new'))
  stopped = true
  await Promise.all(load)
})
