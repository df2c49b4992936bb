/** Whether a server takes calls; tells those who watch. Serves grpc.health.v1 in every server of the mesh. */
export class HealthState {
  private readonly watchers = new Set<(serving: boolean) => void>()

  private stopped = false

  constructor(private isServing = true) {}

  get serving(): boolean {
    return this.isServing
  }

  set(serving: boolean): void {
    if (this.stopped || serving === this.isServing) return
    this.isServing = serving
    for (const watcher of this.watchers) watcher(serving)
  }

  /** Not serving, for good: a check that still runs cannot bring a stopping server back. */
  stop(): void {
    this.set(false)
    this.stopped = true
  }

  /** Called at each change; answers a function that ends it. */
  onChange(watcher: (serving: boolean) => void): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }
}
