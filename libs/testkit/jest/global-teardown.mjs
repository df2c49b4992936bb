/** Lets the guard of global-setup.mjs clean up, and waits for it. */
export default async function teardown() {
  const guard = globalThis.bitkaTestGuard
  if (!guard || guard.exitCode !== null) return
  await new Promise((resolve) => {
    guard.once('exit', resolve)
    guard.stdin.end()
  })
}
