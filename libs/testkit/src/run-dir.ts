import { assert } from '@bitka/kernel'

/** The folder of this test run, made by jest/global-setup.mjs and removed at its end even after a crash. */
export function runDir(): string {
  const folder = process.env.BITKA_TEST_RUN_DIR
  assert(folder, 'BITKA_TEST_RUN_DIR is not set: run tests with npm test')
  return folder
}
