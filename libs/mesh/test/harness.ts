import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DevCa, type DevCaOptions, startDevCa } from '@bitka/dev-ca'
import { silentLogger } from '@bitka/kernel'
import {
  type BoundService,
  type ClientOptions,
  createClient,
  createServer,
  implement,
  type MeshServer,
  type ServerOptions,
  type ServiceImpl,
  type ServiceName,
  type ServicePolicy,
  WorkloadIdentity,
} from '../src/index.ts'
import { EchoService } from './echo.ts'

export type EchoImpl = ServiceImpl<typeof EchoService>

const echo: EchoImpl['echo'] = async ({ text }) => ({ text })

/** Answers what it is asked. */
export const echoImpl: EchoImpl = {
  echo,
  whoAmI: async (_request, ctx) => ({ text: JSON.stringify({ ...ctx, signal: undefined, log: undefined }) }),
  signIn: async (_request, { user }) => ({ text: user?.userId ?? '' }),
  look: async (_request, { user }) => ({ text: user?.userId ?? '' }),
  operate: echo,
  async *watch({ text }) {
    for (let count = 0n; count < 3n; count += 1n) yield { text, count }
  },
}

export const echoPolicy: ServicePolicy<typeof EchoService> = {
  echo: { kind: 'internal', callers: ['order', 'gateway'] },
  whoAmI: { kind: 'user' },
  signIn: { kind: 'anonymous' },
  look: { kind: 'anonymous' },
  operate: { kind: 'user', roles: ['operator', 'admin'] },
  watch: { kind: 'internal', callers: ['order'] },
}

export const bindEcho = (impl: Partial<EchoImpl> = {}): BoundService =>
  implement(EchoService, { ...echoImpl, ...impl }, echoPolicy)

/** Collects what a test opened and closes it in reverse. */
export class Harness {
  private readonly undo: (() => unknown)[] = []
  private readonly identities = new Map<ServiceName, WorkloadIdentity>()

  private constructor(readonly ca: DevCa) {}

  static async open(options: Partial<DevCaOptions> = {}): Promise<Harness> {
    const dir = await mkdtemp(join(tmpdir(), 'bitka-mesh-'))
    const names: ServiceName[] = ['gateway', 'order', 'ledger', 'audit']
    const ca = await startDevCa({ dir, services: names.map((name) => ({ name })), log: silentLogger, ...options })
    const harness = new Harness(ca)
    harness.undo.push(
      () => rm(dir, { recursive: true, force: true }),
      () => ca.stop(),
    )
    return harness
  }

  identity(name: ServiceName): WorkloadIdentity {
    const known = this.identities.get(name)
    if (known) return known
    const opened = WorkloadIdentity.connect({ socketPath: this.ca.socketPath(name), log: silentLogger })
    this.identities.set(name, opened)
    this.undo.push(() => opened.close())
    return opened
  }

  /** A running server of the ledger. */
  async serve(options: Partial<ServerOptions> = {}): Promise<MeshServer> {
    const server = createServer({
      identity: this.identity('ledger'),
      log: silentLogger,
      port: 0,
      services: [bindEcho()],
      verifyToken: async () => ({
        userId: 'u',
        sessionId: 's',
        roles: ['user'],
        expiresAtMs: Number.POSITIVE_INFINITY,
      }),
      ...options,
    })
    await server.start()
    this.undo.push(() => server.drain(0))
    return server
  }

  client(
    server: Pick<MeshServer, 'port'>,
    caller: ServiceName,
    options: Partial<ClientOptions<typeof EchoService>> = {},
  ) {
    const client = createClient(EchoService, {
      identity: this.identity(caller),
      target: `localhost:${server.port}`,
      expect: 'ledger',
      log: silentLogger,
      ...options,
    })
    this.undo.push(() => client.close())
    return client
  }

  async close(): Promise<void> {
    for (const undo of this.undo.reverse()) await undo()
  }
}

/** What a promise is refused with. */
export async function refusal(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it was not refused')
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
