import type { Logger } from '@bitka/kernel'
import { type ChannelOptions, Client } from '@grpc/grpc-js'
import type { WorkloadIdentity } from './identity.ts'
import type { ServiceName } from './names.ts'
import { MESSAGE_BYTES_MAX } from './server.ts'
import { MeshChannelCredentials } from './tls.ts'

type Shared = { client: Client; users: number }

const pools = new WeakMap<WorkloadIdentity, Map<string, Shared>>()

/** The one channel of this identity to a target, shared by all clients of it; `release` closes it after the last one. */
export function shareChannel(
  identity: WorkloadIdentity,
  target: string,
  expect: ServiceName,
  log: Logger,
): { client: Client; release: () => void } {
  const pool = pools.get(identity) ?? new Map<string, Shared>()
  pools.set(identity, pool)
  const name = `${expect} ${target}`
  const shared = pool.get(name) ?? { client: openChannel(identity, target, expect, log), users: 0 }
  pool.set(name, shared)
  shared.users += 1
  let released = false
  return {
    client: shared.client,
    release: () => {
      if (released) return
      released = true
      shared.users -= 1
      if (shared.users > 0) return
      pool.delete(name)
      shared.client.close()
    },
  }
}

/** Several addresses are used in turn, and one that is gone is passed over until it is back. */
const ROUND_ROBIN = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] })

/**
 * A peer's place as grpc-js takes it: `host:port`, `dns:///name:port` (every address of the name is used), or several
 * replicas as `127.0.0.1:7040|127.0.0.1:7041`.
 */
export function grpcTarget(target: string): { target: string; options: ChannelOptions } {
  const addresses = target.split('|')
  if (addresses.length > 1) {
    return { target: `ipv4:${addresses.join(',')}`, options: { 'grpc.service_config': ROUND_ROBIN } }
  }
  return { target, options: target.startsWith('dns:') ? { 'grpc.service_config': ROUND_ROBIN } : {} }
}

const openChannel = (identity: WorkloadIdentity, peer: string, expect: ServiceName, log: Logger): Client => {
  const { target, options } = grpcTarget(peer)
  return new Client(target, new MeshChannelCredentials(identity, expect, log), {
    ...options,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    // Services of one installation start together; the defaults (1 s to 2 min) are for the open internet.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 3_000,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
  })
}
