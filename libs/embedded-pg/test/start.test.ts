import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { startDevCa, svidFiles } from '@bitka/dev-ca'
import { silentLogger as log } from '@bitka/kernel'
import { tempDir, waitFor } from '@bitka/testkit'
import pg from 'pg'
import { type EmbeddedPostgres, type StartOptions, startPostgres } from '../src/index.ts'

const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const running: EmbeddedPostgres[] = []
const processes: ChildProcessByStdio<Writable, Readable, null>[] = []

async function start(dataDir: string, options: Partial<StartOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startPostgres({ dataDir, log, ...options })
  running.push(server)
  return server
}
const newDataDir = async () => join(await tempDir(), 'pg')

async function query(server: { adminUrl: string }, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.adminUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat()
  } finally {
    await client.end()
  }
}

/** Another process that has started the server, by way of the command if one is given. */
async function startElsewhere(dataDir: string, command: string[] = []) {
  const script = fileURLToPath(new URL('./parent.ts', import.meta.url))
  const [file = '', ...args] = [...command, process.execPath, '-C', '@bitka/source', '--import', 'tsx', script, dataDir]
  const parent = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  processes.push(parent)
  let said = ''
  parent.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await waitFor(() => said.includes('\n') || parent.exitCode !== null, { timeoutMs: 90_000, what: 'the other process' })
  return { parent, server: JSON.parse(said) as { port: number; pid: number; adminUrl: string } }
}

afterEach(async () => {
  for (const process of processes.splice(0)) process.kill('SIGKILL')
  for (const server of running.splice(0)) await server.stop()
})

describe('a first start', () => {
  it('makes a durable server that only this machine reaches, and keeps data, password and port', async () => {
    const dataDir = await newDataDir()
    const first = await start(dataDir)
    expect(first.adopted).toBe(false)
    const settings = [
      'fsync',
      'synchronous_commit',
      'full_page_writes',
      'listen_addresses',
      'unix_socket_directories',
      'jit',
    ]
    const values = await query(first, `select ${settings.map((name) => `current_setting('${name}')`).join(', ')}`)
    expect(values).toEqual(['on', 'on', 'on', '127.0.0.1', '', 'off'])
    await query(first, 'create table t as select 1 as one')
    expect((await stat(`${dataDir}.password`)).mode & 0o777).toBe(0o600)
    expect((await stat(`${dataDir}.log`)).mode & 0o777).toBe(0o600)
    const wrong = { adminUrl: first.adminUrl.replace(/:[0-9a-f]{48}@/, ':wrong@') }
    await expect(query(wrong, 'select 1')).rejects.toThrow('password authentication failed')
    await first.stop()
    await first.stop()
    await expect(query(first, 'select 1')).rejects.toThrow('ECONNREFUSED')

    const second = await start(dataDir)
    expect({ port: second.port, url: second.adminUrl, adopted: second.adopted }).toEqual({
      port: first.port,
      url: first.adminUrl,
      adopted: false,
    })
    expect(await query(second, 'select one from t')).toEqual([1])
  })

  it('does not trip over one that was killed half way', async () => {
    const dataDir = await newDataDir()
    await mkdir(`${dataDir}.init-123`)
    await writeFile(`${dataDir}.init-123/half`, '')
    await start(dataDir)
    const files = (await readdir(join(dataDir, '..'))).sort()
    expect(files).toEqual(['pg', 'pg.log', 'pg.password', 'pg.port'])
  })

  it('takes settings, and says what PostgreSQL says of a bad one', async () => {
    const dataDir = await newDataDir()
    const server = await start(dataDir, { settings: { max_connections: 7 } })
    expect(await query(server, 'show max_connections')).toEqual(['7'])
    await server.stop()
    await expect(start(dataDir, { settings: { no_such_setting: 1 } })).rejects.toThrow('no_such_setting')
  })
})

describe('ports', () => {
  it('moves to another when the remembered one is taken, but not from one it was told', async () => {
    const dataDir = await newDataDir()
    const first = await start(dataDir)
    await first.stop()
    const other = createServer().listen(first.port, '127.0.0.1')
    await once(other, 'listening')
    await expect(start(dataDir, { port: first.port })).rejects.toThrow('in use')
    const second = await start(dataDir)
    expect(second.port).not.toBe(first.port)
    await expect(start(dataDir, { port: first.port })).rejects.toThrow('already runs on port')
    other.close()
  })
})

describe('with TLS', () => {
  const servedBy = async (server: EmbeddedPostgres, caFile: string) => {
    const client = new pg.Client({
      connectionString: server.adminUrl.replace(/sslrootcert=[^&]+/, `sslrootcert=${caFile}`),
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query<{ version: string }>(
        'select version from pg_stat_ssl where pid = pg_backend_pid()',
      )
      return rows[0]?.version
    } catch (error) {
      return String(error)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  const authority = async () => {
    const dir = await tempDir()
    if (isRoot) await chmod(dir, 0o711)
    const filesDir = join(dir, 'files')
    const services = [{ name: 'postgres', dnsNames: ['localhost'], filesDir, uid: isRoot ? NOBODY : undefined }]
    const ca = await startDevCa({ dir, services, log })
    if (isRoot) await chmod(dir, 0o711)
    return { ca, tls: svidFiles(filesDir) }
  }

  it('takes TLS 1.3 and nothing else, from those who know its roots, and follows a new certificate', async () => {
    const { ca, tls } = await authority()
    const stranger = await authority()
    try {
      const server = await start(await newDataDir(), { tls })
      expect(await servedBy(server, tls.caFile)).toBe('TLSv1.3')
      expect(await servedBy(server, stranger.tls.caFile)).toMatch(/unable to verify|self.signed/)
      const plain = { adminUrl: server.adminUrl.replace(/\?.*/, '') }
      await expect(query(plain, 'select 1')).rejects.toThrow('no encryption')
      await ca.rotateCa(0)
      server.reload()
      await waitFor(async () => (await servedBy(server, tls.caFile)) === 'TLSv1.3')
      // A second change of roots: the first is forgotten only by those who read the files again.
      await ca.rotateCa(0)
      server.reload()
      await waitFor(async () => (await servedBy(server, tls.caFile)) === 'TLSv1.3')
    } finally {
      await ca.stop()
      await stranger.ca.stop()
    }
  })
})

describe('after a crash', () => {
  it('adopts the server that a killed process has left', async () => {
    const dataDir = await newDataDir()
    const { parent, server } = await startElsewhere(dataDir)
    await query(server, 'create table t as select 1 as one')
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    const adopted = await start(dataDir)
    expect({ pid: adopted.pid, port: adopted.port, adopted: adopted.adopted }).toEqual({
      pid: server.pid,
      port: server.port,
      adopted: true,
    })
    expect(await query(adopted, 'select one from t')).toEqual([1])
    await adopted.stop()
    await expect(query(server, 'select 1')).rejects.toThrow('ECONNREFUSED')
    expect((await start(dataDir)).adopted).toBe(false)
  })

  it('keeps what was committed when the server itself is killed', async () => {
    const dataDir = await newDataDir()
    const server = await start(dataDir)
    await query(server, 'create table t (id int)')
    for (let id = 1; id <= 20; id += 1) await query(server, `insert into t values (${id})`)
    // A session at work when its server dies: the orphaned backend holds the shared memory for a moment.
    const busy = query(server, 'select pg_sleep(60)').catch((error: unknown) => error)
    await waitFor(
      async () =>
        (await query(server, `select 1 from pg_stat_activity where query like '%sleep(60)' and state = 'active'`))
          .length > 0,
    )
    await server.kill()
    expect(await busy).toBeInstanceOf(Error)
    const again = await start(dataDir)
    expect(again.adopted).toBe(false)
    expect(await query(again, 'select count(*)::int from t')).toEqual([20])
  })

  it('starts although the dead server is still a zombie', async () => {
    const dataDir = await newDataDir()
    const { parent, server } = await startElsewhere(dataDir)
    await query(server, 'create table t as select 1 as one')
    // A stopped parent does not reap.
    parent.kill('SIGSTOP')
    process.kill(server.pid, 'SIGKILL')
    const again = await start(dataDir)
    expect(again.pid).not.toBe(server.pid)
    expect(await query(again, 'select one from t')).toEqual([1])
  })

  it('starts although another program got the dead server’s pid', async () => {
    const dataDir = await newDataDir()
    const server = await start(dataDir)
    await query(server, 'create table t as select 1 as one')
    await server.kill()
    const account = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
    const stranger = spawn('sleep', ['600'], { stdio: ['pipe', 'pipe', 'ignore'], ...account })
    processes.push(stranger as ChildProcessByStdio<Writable, Readable, null>)
    const lock = join(dataDir, 'postmaster.pid')
    await writeFile(lock, (await readFile(lock, 'utf8')).replace(/^\d+/, String(stranger.pid)))
    expect(await query(await start(dataDir), 'select one from t')).toEqual([1])
    expect(stranger.exitCode).toBeNull()
  })

  it('waits for a server that is still stopping', async () => {
    const dataDir = await newDataDir()
    const server = await start(dataDir)
    const stopping = server.stop()
    const again = await start(dataDir)
    await stopping
    expect(await query(again, 'select 1')).toEqual([1])
  })
})

it('is out of reach of Ctrl-C in the terminal', async () => {
  const server = await start(await newDataDir())
  const group = async (pid: number) => {
    const ps = spawn('ps', ['-o', 'pgid=', '-p', String(pid)])
    const [text] = (await once(ps.stdout, 'data')) as [Buffer]
    return Number(text.toString())
  }
  expect(await group(server.pid)).toBe(server.pid)
})

if (!isRoot)
  it('is not run by root, so what root needs is tested elsewhere', () => expect(process.getuid?.()).not.toBe(0))
else
  describe('run by root', () => {
    it('makes PostgreSQL another account', async () => {
      const dataDir = await newDataDir()
      const server = await start(dataDir)
      expect((await stat(dataDir)).uid).toBe(NOBODY)
      expect(await readFile(`/proc/${server.pid}/status`, 'utf8')).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m)
    })

    it('opens the parent by one bit', async () => {
      const parent = join(await tempDir(), 'parent')
      await mkdir(parent, { mode: 0o700 })
      await start(join(parent, 'pg'))
      expect((await stat(parent)).mode & 0o777).toBe(0o711)
    })

    it('keeps the data elsewhere when its account cannot enter the folders above, and finds it again', async () => {
      const closed = await tempDir()
      await chmod(closed, 0o700)
      const shelterDir = await tempDir()
      const dataDir = join(closed, 'parent', 'pg')
      const first = await start(dataDir, { shelterDir })
      await query(first, 'create table t as select 1 as one')
      expect((await readFile(`${dataDir}.location`, 'utf8')).startsWith(shelterDir)).toBe(true)
      await first.stop()
      const again = await start(dataDir, { shelterDir })
      expect(await query(again, 'select one from t')).toEqual([1])
      expect((await stat(closed)).mode & 0o777).toBe(0o700)
    })

    it('works the same for an ordinary user', async () => {
      const folder = await tempDir()
      await chown(folder, NOBODY, NOBODY)
      const dataDir = join(folder, 'deeper', 'pg')
      const user = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
      const { parent, server } = await startElsewhere(dataDir, user)
      await query(server, 'create table t as select 1 as one')
      expect((await stat(`${dataDir}.password`)).uid).toBe(NOBODY)
      parent.stdin.end()
      expect(await once(parent, 'exit')).toEqual([0, null])
      await expect(query(server, 'select 1')).rejects.toThrow('ECONNREFUSED')
      const again = await startElsewhere(dataDir, user)
      expect(await query(again.server, 'select one from t')).toEqual([1])
      again.parent.stdin.end()
      await once(again.parent, 'exit')
    })
  })
