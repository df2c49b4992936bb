import type { CallOptions, Transport } from '../http/transport.ts'

export type Liveness = { status: 'ok' }
export type Readiness = {
  status: 'ready' | 'unavailable' | 'stopping'
  dependencies: { name: string; ok: boolean; detail: string }[]
}

/** Whether the exchange lives and takes calls. */
export const healthApi = (transport: Transport) => ({
  live: (options?: CallOptions): Promise<Liveness> =>
    transport.send({ method: 'GET', path: '/healthz', anonymous: true, bare: true, options }),

  /** Answers also when it is not ready. */
  ready: (options?: CallOptions): Promise<Readiness> =>
    transport.send({ method: 'GET', path: '/readyz', anonymous: true, bare: true, accept: [503], options }),
})
