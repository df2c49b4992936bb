import type { Logger } from '@bitka/kernel'
import { Client } from '@grpc/grpc-js'
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

const openChannel = (identity: WorkloadIdentity, target: string, expect: ServiceName, log: Logger): Client =>
  new Client(target, new MeshChannelCredentials(identity, expect, log), {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    // Services of one installation start together; the defaults (1 s to 2 min) are for the open internet.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 3_000,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
  })
