import { execFile, spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stackHome } from '@bitka/deploy/native'
import { repositoryFolder } from '@bitka/service'
import { tempDir, waitFor } from '@bitka/testkit'
import { StackWorld } from './world.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const run = promisify(execFile)
const home = process.env.BITKA_STACK_HOME ?? stackHome()

/** With the variables of scripts/test-stack.mjs, which every test has. */
function stack(command: 'up' | 'down'): void {
  const { status } = spawnSync(process.execPath, ['--tls-min-v1.3', repositoryFolder('dist/stack.mjs'), command], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  expect(status).toBe(0)
}

test('the machine is lost, database and event log; a backup and the secrets bring the exchange back', async () => {
  console.log(`total loss: seed ${seed} (BITKA_SEED)`)
  const folder = await tempDir()
  const world = new StackWorld(seed)
  await world.load.setUp()
  world.load.start()
  await waitFor(() => world.load.acknowledged.size > 100, { timeoutMs: 120_000, what: 'work that must survive' })
  await world.load.stop()
  const known = world.load.acknowledged.size

  const { adminUrl, dataDir } = world.stack.postgres
  const backup = async (args: readonly string[], env: Record<string, string> = {}): Promise<string> => {
    const shared = { PATH: process.env.PATH, BITKA_BACKUP_FOLDER: join(folder, 'store') }
    const program = ['--tls-min-v1.3', repositoryFolder('dist/backup.mjs'), ...args]
    return (await run(process.execPath, program, { env: { ...shared, ...env } })).stdout
  }
  await writeFile(join(folder, 'recipients'), await backup(['keygen', '--out', join(folder, 'identity')]))
  await backup(['backup'], {
    BITKA_BACKUP_DB_URL: adminUrl,
    BITKA_BACKUP_DATA_DIR: dataDir,
    BITKA_BACKUP_RECIPIENTS_FILE: join(folder, 'recipients'),
  })
  stack('down')
  await rm(dataDir, { recursive: true })
  await rm(join(home, 'kafka'), { recursive: true })

  const said = await backup(['restore', '--data-dir', dataDir, '--target', 'backup', '--new-log'], {
    BITKA_BACKUP_IDENTITY_FILE: join(folder, 'identity'),
    BITKA_BACKUP_ADMIN_PASSWORD: decodeURIComponent(new URL(adminUrl).password),
  })
  console.log(said)
  expect(said).toMatch(/prepared for a new log: \d+ commands/)
  stack('up')

  const again = new StackWorld(seed + 1)
  await again.checkEverything()
  // Everything that was acknowledged is there, once, and the log has every command and every result.
  expect(world.load.acknowledged.size).toBe(known)
  expect(await world.load.differences()).toEqual([])
  await again.expectWholeLog()
  // And it is an exchange like any other.
  await again.load.setUp()
  again.load.start()
  await waitFor(() => again.load.acknowledged.size > 40, { timeoutMs: 120_000, what: 'work afterwards' })
  await again.load.stop()
  await again.checkEverything()
}, 900_000)
