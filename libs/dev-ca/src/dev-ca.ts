import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, type Logger, systemClock } from '@bitka/kernel'
import { type ServiceName, spiffeId } from '@bitka/mesh'
import type { LeafOptions } from './authority.ts'
import { issueSvid, type Svid } from './svid.ts'
import { writeSvidFiles, writeWhole } from './svid-files.ts'
import { openAuthority, saveAuthority } from './vault.ts'
import { WorkloadSocket } from './workload-api.ts'

/** A socket's path may have 107 bytes on Linux and 103 on macOS. */
const SOCKET_PATH_BYTES_MAX = 103
/** How long everybody has to learn of a new root before it signs. */
const ROOT_OVERLAP_MS = 1_000
/**
 * The same for a root that was staged while the CA was away: clients that lost their stream ask again every ten seconds, and
 * their channel may take as long to connect.
 */
const STAGED_OVERLAP_MS = 30_000

export type DevCaOptions = {
  /** Where the root is kept (0600), and the sockets when the path is short enough. */
  dir: string
  trustDomain?: string
  /** Who gets an identity. */
  services: readonly Workload[]
  /** A file for the roots to trust, for everybody to read. */
  bundleFile?: string
  /** How long a certificate is good; it is replaced at half of that. */
  ttlSeconds?: number
  log: Logger
  clock?: Clock
  /** How long a root that was staged before the start is known before it signs; default 30 s. */
  stagedOverlapMs?: number
}

/** Who gets an identity, and how it is handed over. */
export type Workload = {
  /** The last part of its SPIFFE ID. */
  name: ServiceName | (string & {})
  /** The account that its socket and files belong to; none: ours. */
  uid?: number
  /** Host names in its certificate, beside the SPIFFE ID. */
  dnsNames?: readonly string[]
  /** For programs that read files and not the Workload API: a folder for svid.pem, key.pem, keystore.pem and bundle.pem. */
  filesDir?: string
}

export type DevCa = {
  readonly trustDomain: string
  /** The socket of one service: whoever can open it is that service. */
  socketPath(name: Workload['name']): string
  /** New certificates for everybody, now. */
  rotateNow(): Promise<void>
  /**
   * A new root: first trusted by everybody beside the old one, then signing. Resolves when all have certificates of it. A CA
   * that ends in between goes on with it when it is started again.
   */
  rotateCa(overlapMs?: number): Promise<void>
  /** Signs anything with the current root. For tests of what must be refused. */
  issue(options: Partial<LeafOptions>): Promise<Svid>
  stop(): Promise<void>
}

/** Starts a CA that serves the SPIFFE Workload API on one socket per service. For development and tests: SPIRE takes its place. */
export async function startDevCa(options: DevCaOptions): Promise<DevCa> {
  const { dir, trustDomain = 'bitka.local', services, ttlSeconds = 3600, log, clock = systemClock } = options
  const ttlMs = ttlSeconds * 1000
  const authority = await openAuthority(dir, trustDomain, clock)
  const socketDir = await prepareSocketDir(dir, services)
  const sockets = new Map(
    services.map(({ name }): [string, WorkloadSocket] => [
      name,
      new WorkloadSocket(join(socketDir.path, `${name}.sock`)),
    ]),
  )

  async function renew(): Promise<void> {
    authority.dropRetired(ttlMs)
    if (options.bundleFile !== undefined) await writeWhole(options.bundleFile, authority.bundlePem())
    for (const { name, uid, dnsNames, filesDir } of services) {
      const id = spiffeId(trustDomain, name)
      const leaf = await authority.issue({ uris: [id], dnsNames, notAfterMs: clock.nowMs() + ttlMs })
      const { certificateDer, keyDer } = leaf
      const bundle = authority.bundleDer()
      if (filesDir !== undefined) await writeSvidFiles(filesDir, leaf, authority.bundlePem(), uid)
      sockets.get(name)?.send({
        svid: { svids: [{ spiffeId: id, x509Svid: certificateDer, x509SvidKey: keyDer, bundle }] },
        bundles: { bundles: { [`spiffe://${trustDomain}`]: bundle } },
      })
    }
  }

  // One change at a time: a renewal in the middle of a change of root would send half of it.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }

  await inTurn(renew)
  for (const { name, uid } of services) await sockets.get(name)?.open(uid)
  // Others may pass through to the socket that is theirs, and not list what is there.
  await chmod(socketDir.path, 0o711)
  const stopping = new AbortController()
  const stage = async (): Promise<void> => {
    await authority.stageRoot()
    await saveAuthority(dir, authority)
    await renew()
  }
  const promote = async (): Promise<void> => {
    authority.promote()
    await saveAuthority(dir, authority)
    await renew()
  }
  /** Certificates are renewed meanwhile, so this does not wait in turn. */
  const promoteAfter = async (overlapMs: number): Promise<void> => {
    await pause(overlapMs, undefined, { signal: stopping.signal })
    await inTurn(promote)
  }
  if (authority.staged) {
    promoteAfter(options.stagedOverlapMs ?? STAGED_OVERLAP_MS).then(
      () => log.info('the root that was staged signs now'),
      (error: unknown) => {
        if (!stopping.signal.aborted) log.error({ err: error }, 'the development CA cannot change its root')
      },
    )
  }
  const timer = setInterval(() => {
    inTurn(renew).catch((error: unknown) => log.error({ err: error }, 'the development CA cannot renew certificates'))
  }, ttlMs / 2)
  log.info({ trust_domain: trustDomain, services: services.length }, 'development CA serves the workload API')

  return {
    trustDomain,
    socketPath(name) {
      const socket = sockets.get(name)
      if (!socket) throw new Error(`the development CA was not told of ${name}`)
      return socket.path
    },
    rotateNow: () => inTurn(renew),
    rotateCa: async (overlapMs = ROOT_OVERLAP_MS) => {
      await inTurn(stage)
      await promoteAfter(overlapMs)
    },
    issue: (leaf) =>
      issueSvid(authority, { uris: [spiffeId(trustDomain, 'gateway')], notAfterMs: clock.nowMs() + ttlMs, ...leaf }),
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await last
      await Promise.all(Array.from(sockets.values(), (socket) => socket.close()))
      if (socketDir.temporary) await rm(socketDir.path, { recursive: true, force: true })
    },
  }
}

/** Where the sockets are: beside the root, or under the system's temporary directory when that path would be too long. */
async function prepareSocketDir(
  dir: string,
  services: DevCaOptions['services'],
): Promise<{ path: string; temporary: boolean }> {
  const path = join(dir, 'sockets')
  const lengths = services.map(({ name }) => Buffer.byteLength(join(path, `${name}.sock`)))
  // mkdtemp makes a name that nobody could have prepared, closed to others.
  if (Math.max(0, ...lengths) > SOCKET_PATH_BYTES_MAX)
    return { path: await mkdtemp(join(tmpdir(), 'bitka-')), temporary: true }
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
  return { path, temporary: false }
}
