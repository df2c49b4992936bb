import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { tempDir, waitFor } from '@bitka/testkit'
import { archiveSettings } from '../backup/wal.ts'

const script = join(repositoryFolder('deploy/compose'), 'postgres', 'start.sh')

/** Stands in for PostgreSQL: writes down its arguments, its number as postmaster.pid, and each SIGHUP. */
const POSTGRES = `#!/bin/sh
printf '%s\\n' "$@" > "$PGDATA/arguments"
trap 'echo HUP >> "$PGDATA/signals"' HUP
echo $$ > "$PGDATA/postmaster.pid"
while [ ! -e "$PGDATA/stop" ]; do sleep 0.1; done
`

/** Stands in for readlink on a machine that is busy. */
const SLOW_READLINK = `#!/bin/sh
sleep 1
PATH=\${PATH#*:} exec readlink "$@"
`

async function start(env: Record<string, string> = {}) {
  const folder = await tempDir()
  const [bin, svid, data] = [join(folder, 'bin'), join(folder, 'svid'), join(folder, 'data')]
  for (const path of [bin, svid, data]) await mkdir(path)
  await writeFile(join(bin, 'docker-entrypoint.sh'), POSTGRES)
  await writeFile(join(bin, 'readlink'), SLOW_READLINK)
  for (const name of ['docker-entrypoint.sh', 'readlink']) await chmod(join(bin, name), 0o755)
  const child = spawn(script, [], {
    env: { PATH: `${bin}:${process.env.PATH}`, PGDATA: data, BITKA_SVID_DIR: svid, ...env },
    stdio: 'ignore',
    // Its loop outlives what it starts, as in a container whose first process ends.
    detached: true,
  })
  return {
    svid,
    read: (name: string) => readFile(join(data, name), 'utf8').catch(() => ''),
    stop: async () => {
      await writeFile(join(data, 'stop'), '')
      if (child.exitCode === null) await once(child, 'exit')
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    },
  }
}

/** As svid-files writes: links through ..data, which is moved. */
async function issue(svid: string, generation: string): Promise<void> {
  await mkdir(join(svid, `..svid-${generation}`))
  for (const name of ['svid.pem', 'key.pem']) {
    await writeFile(join(svid, `..svid-${generation}`, name), generation)
    await symlink(join('..data', name), join(svid, name)).catch(() => undefined)
  }
  await symlink(`..svid-${generation}`, join(svid, '..data.next'))
  await rename(join(svid, '..data.next'), join(svid, '..data'))
}

it('waits for its certificate, and reads each new one', async () => {
  const postgres = await start()
  try {
    expect(await postgres.read('arguments')).toBe('')
    await issue(postgres.svid, 'one')
    await waitFor(async () => (await postgres.read('postmaster.pid')) !== '')
    expect(await postgres.read('arguments')).toContain('ssl=on')
    expect(await postgres.read('arguments')).not.toContain('archive_mode')
    expect(await postgres.read('signals')).toBe('')
    await issue(postgres.svid, 'two')
    await waitFor(async () => (await postgres.read('signals')) === 'HUP\n')
  } finally {
    await postgres.stop()
  }
})

it('puts WAL where backups fetch it, as the native server does', async () => {
  const spool = join(await tempDir(), 'wal-spool')
  const postgres = await start({ BITKA_WAL_ARCHIVE: 'on', BITKA_WAL_SPOOL: spool })
  try {
    await issue(postgres.svid, 'one')
    await waitFor(async () => (await postgres.read('postmaster.pid')) !== '')
    const given = await postgres.read('arguments')
    for (const [name, value] of Object.entries(archiveSettings(spool)))
      expect(given).toContain(`-c\n${name}=${value}\n`)
  } finally {
    await postgres.stop()
  }
})
