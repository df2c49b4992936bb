/** What was started, ended in reverse and once, each step even when another fails; also when somebody presses Ctrl-C. */
export class Cleanup {
  private readonly steps: { name: string; stop: () => Promise<unknown> | unknown }[] = []

  add(name: string, stop: () => Promise<unknown> | unknown): void {
    this.steps.push({ name, stop })
  }

  async run(): Promise<void> {
    for (const { name, stop } of this.steps.splice(0).reverse()) {
      try {
        await stop()
      } catch (error) {
        console.error(`${name} did not stop well:`, error)
      }
    }
  }
}
