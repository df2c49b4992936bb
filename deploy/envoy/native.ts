import { execFile } from 'node:child_process'
import { chown, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type SvidFiles, svidFiles } from '@bitka/dev-ca'
import { spiffeId } from '@bitka/mesh'
import { repositoryFolder } from '@bitka/service'
import { stringify } from 'yaml'
import { filesDir } from '../identity/workloads.ts'
import { serviceTable } from '../table/index.ts'
import { edgeConfig } from './config.ts'
import { type EdgePorts, PUBLIC_HOST_VARIABLE } from './options.ts'
import { edgePorts } from './render.ts'
import { type CertificateSource, sdsFiles } from './tls.ts'

export type NativeEnvoy = {
  binary: string
  /** For its configuration. */
  dir: string
  uid: number | undefined
  trustDomain: string
  identityFiles: SvidFiles
  publicTls: SvidFiles
  /** The HTTP/1.1 ports of the gateway's replicas; the next port speaks HTTP/2. */
  gatewayPorts: readonly number[]
  /** SPIFFE IDs that may use the mesh listener. */
  internalCallers: readonly string[]
}

/** A certificate in the files of the development CA. */
export const filesSource = (name: 'public' | 'identity', files: SvidFiles): CertificateSource => ({
  kind: 'files',
  name,
  certFile: files.certFile,
  keyFile: files.keyFile,
  caFile: files.caFile,
  watch: dirname(files.certFile),
  caWatch: dirname(files.caFile),
})

/** The script has limits of its own; this one is for an Envoy that does not answer. */
const DRAIN_TIMEOUT_MS = 10_000

/** How Envoy is run. */
export const runEnvoy = (
  binary: string,
  configFile: string,
  publicHost: string,
): { command: string; args: string[]; env: Record<string, string> } => ({
  command: binary,
  args: [
    ...['--concurrency', '2', '--disable-hot-restart', '-l', 'warn'],
    // The access log is at most so old when Envoy dies, ms.
    ...['--file-flush-interval-msec', '1000'],
    // Who drains is told to leave at once, not one after the other over ten minutes.
    ...['--drain-strategy', 'immediate', '-c', configFile],
  ],
  env: { [PUBLIC_HOST_VARIABLE]: publicHost },
})

/** Lets requests end; nothing stands before this Envoy that would have to notice first. */
const drain = (): Promise<unknown> =>
  promisify(execFile)('bash', [join(repositoryFolder('deploy'), 'envoy', 'drain.sh')], {
    timeout: DRAIN_TIMEOUT_MS,
    env: {
      PATH: process.env.PATH,
      BITKA_EDGE_ADMIN_PORT: String(edgePorts.envoyAdmin),
      BITKA_EDGE_LAME_DUCK_S: '0',
      BITKA_EDGE_DRAIN_S: '3',
    },
  })

/** The files of a native stack's Envoy, by path; the first is its configuration. */
function nativeFiles(options: NativeEnvoy): Map<string, object> {
  const identity = filesSource('identity', options.identityFiles)
  const publicCertificate = filesSource('public', options.publicTls)
  const config = edgeConfig({
    trustDomain: options.trustDomain,
    identity,
    publicCertificate,
    address: '127.0.0.1',
    ports: edgePorts,
    gateways: options.gatewayPorts.map((http) => ({ host: '127.0.0.1', http, grpc: http + 1 })),
    operatorNetworks: ['127.0.0.0/8'],
    operatorsOnPublic: true,
    internalCallers: options.internalCallers,
    // Everybody on one machine has one address.
    flood: { perSecond: 20_000, burst: 40_000 },
  })
  return new Map([[configFile(options.dir), config], ...sdsFiles(identity), ...sdsFiles(publicCertificate)])
}

const configFile = (dir: string): string => join(dir, 'envoy.yaml')

/** Writes Envoy's configuration; answers how to run it. */
export async function prepareEnvoy(options: NativeEnvoy): Promise<{
  program: { command: string; args: string[]; env: Record<string, string>; beforeStop: () => Promise<unknown> }
  ports: EdgePorts
}> {
  const { dir, uid, binary } = options
  await mkdir(dir, { recursive: true, mode: 0o755 })
  for (const [path, content] of nativeFiles(options)) {
    await writeFile(path, stringify(content), { mode: 0o600 })
    if (uid !== undefined) await chown(path, uid, uid)
  }
  return {
    program: { ...runEnvoy(binary, configFile(dir), `localhost:${edgePorts.public}`), beforeStop: drain },
    ports: edgePorts,
  }
}

/** The configuration that a native stack below `home` gives its Envoy. */
export function renderNative(home: string, trustDomain: string): string {
  const gateway = serviceTable.find(({ name }) => name === 'gateway')?.port ?? 0
  const publicDir = join(home, 'public-tls')
  const [config] = nativeFiles({
    binary: '',
    dir: join(home, 'envoy'),
    uid: undefined,
    trustDomain,
    identityFiles: svidFiles(filesDir(join(home, 'identity'), 'envoy')),
    publicTls: { ...svidFiles(join(publicDir, 'edge')), caFile: join(publicDir, 'ca.pem') },
    internalCallers: [spiffeId(trustDomain, 'internal-caller')],
    // The second is there while the first is replaced.
    gatewayPorts: [gateway, gateway + 5],
  }).values()
  return stringify(config)
}
