import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import endRun from '../../../libs/testkit/jest/global-teardown.mjs'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Stops the stack; a stack that does not stop in order fails the run. */
export default async function teardown() {
  await endRun()
  if (process.env.BITKA_STACK_KEEP !== undefined) return
  const { status } = spawnSync(process.execPath, [join(root, 'dist/stack.mjs'), 'down'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the stack did not stop')
}
