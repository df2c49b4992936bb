import { TestEnvironment } from 'jest-environment-node'

/** Warnings that cannot be avoided: jest runs ES modules through an interface that Node calls experimental. */
const isExpected = (warning) => warning.name === 'ExperimentalWarning' && /VM Modules/.test(warning.message)

/**
 * Node's environment, in which a test fails when Node warns of something (a deprecated call, a leak of listeners) or a
 * rejection goes unhandled while it runs; between tests and after them the file fails.
 */
export default class StrictEnvironment extends TestEnvironment {
  problems = []

  onWarning = (warning) => {
    if (!isExpected(warning)) this.problems.push(new Error(`Node warned: ${warning.stack ?? warning}`))
  }

  onRejection = (reason) => {
    this.problems.push(new Error(`unhandled rejection: ${reason?.stack ?? reason}`))
  }

  async setup() {
    await super.setup()
    process.on('warning', this.onWarning)
    process.on('unhandledRejection', this.onRejection)
  }

  /** jest-circus reports a test after this handler has seen test_done. */
  async handleTestEvent(event) {
    if (event.name !== 'test_done') return
    // Node emits warnings and unhandled rejections on a later turn.
    await new Promise((resolve) => setImmediate(resolve))
    event.test.errors.push(...this.problems.splice(0))
  }

  async teardown() {
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', this.onWarning)
    process.off('unhandledRejection', this.onRejection)
    await super.teardown()
    if (this.problems.length > 0) throw this.problems[0]
  }
}
