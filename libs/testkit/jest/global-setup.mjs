import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Waits until its input ends, which happens however this process ends, then stops the run's PostgreSQL, if a test started
// one, and removes the run's files.
const GUARD = `
cat > /dev/null
lock="$1/pg/data/postmaster.pid"
if [ -f "$lock" ]; then
  pid=$(head -n 1 "$lock")
  kill -INT "$pid" 2> /dev/null
  n=0
  while [ -f "$lock" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
  [ -f "$lock" ] && kill -KILL "$pid" 2> /dev/null
fi
rm -rf "$1"
`

/** Gives the run a folder of its own. Nothing is started here: a run of pure tests pays nothing. */
export default function setup() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bitka-test-')))
  // Run as root, PostgreSQL is another account that must be able to enter.
  chmodSync(folder, 0o711)
  process.env.BITKA_TEST_RUN_DIR = folder
  // A process group of its own, or Ctrl-C would end the guard before it has cleaned up.
  globalThis.bitkaTestGuard = spawn('/bin/sh', ['-c', GUARD, 'guard', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
}
