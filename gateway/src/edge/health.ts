import type { Clock } from '@bitka/kernel'
import { Health, HealthCheckResponse_ServingStatus as Status } from '@bitka/proto/grpc/health/v1/health_pb'
import { type BackendName, backendNames } from '../public-services.ts'
import type { Backends } from './backends.ts'

export type BackendHealth = { name: BackendName | 'identity'; ok: boolean; detail: string }
export type Readiness = { ready: boolean; dependencies: BackendHealth[] }

const CHECK_TIMEOUT_MS = 2_000
/** Anybody may ask; the services are asked once a second at most. */
const CACHE_MS = 1_000

/** Asks every service behind the gateway whether it takes calls. With a certificate that is past, none will for long. */
export class ReadinessCheck {
  private last: { at: number; answer: Promise<Readiness> } | undefined

  constructor(
    private readonly backends: Backends,
    private readonly clock: Clock,
    private readonly identity: { isValid(): boolean },
  ) {}

  check(): Promise<Readiness> {
    const nowMs = this.clock.nowMs()
    if (!this.last || nowMs - this.last.at >= CACHE_MS) this.last = { at: nowMs, answer: this.ask() }
    return this.last.answer
  }

  private async ask(): Promise<Readiness> {
    const dependencies = await Promise.all(backendNames.map((name) => this.askOne(name)))
    if (!this.identity.isValid()) dependencies.push({ name: 'identity', ok: false, detail: 'has expired' })
    return { ready: dependencies.every(({ ok }) => ok), dependencies }
  }

  private async askOne(name: BackendName): Promise<BackendHealth> {
    try {
      const { status } = await this.backends.client(Health, name).check({}, { deadlineMs: CHECK_TIMEOUT_MS })
      const ok = status === Status.SERVING
      return { name, ok, detail: ok ? '' : 'takes no calls' }
    } catch {
      // The cause holds hosts and ports, which are nobody's business outside; the mesh has logged it.
      return { name, ok: false, detail: 'does not answer' }
    }
  }
}
