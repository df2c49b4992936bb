import type { ConsumerOptions, EventLog, RelayOptions } from '@bitka/events'
import type { Clock, Logger } from '@bitka/kernel'
import type { BoundService, Client, ServiceName, WorkloadIdentity } from '@bitka/mesh'
import type { Db } from '@bitka/store'
import type { Tracing } from '@bitka/telemetry'
import type { DescService } from '@bufbuild/protobuf'
import type { JSONWebKeySet } from 'jose'
import type { Registry } from 'prom-client'
import type { z } from 'zod'
import type { Audit } from './audit.ts'
import type { BaseConfig, Profile } from './config.ts'

/** One thing a service needs to do its work. */
export type Dependency = { name: string; ok: boolean; detail: string }

export type ServiceEnv = Readonly<Record<string, string | undefined>>
export type Overrides = { clock?: Clock; log?: Logger }
export type Health = { ready: boolean; dependencies: Dependency[] }
export type RunningService = {
  name: ServiceName
  /** Where it listens. */
  port: number
  health(): Promise<Health>
  /** Finishes what is under way, then ends everything it started. */
  stop(): Promise<void>
}
export type StartService = (env: ServiceEnv, overrides?: Overrides) => Promise<RunningService>

/** What a service is built from. Domain and store functions receive only what they use of it. */
export type ServiceContext<C extends BaseConfig = BaseConfig> = {
  name: ServiceName
  config: C
  profile: Profile
  db: Db
  eventLog: EventLog
  clock: Clock
  log: Logger
  metrics: Registry
  /** Spans of calls, events and consumers are made already; this is for what a service does in between. */
  tracing: Tracing
  audit: Audit
  identity: WorkloadIdentity
  /** Aborted when the service stops. */
  signal: AbortSignal
  /** A client of another service; `idempotent` names the methods that may be retried. */
  client<S extends DescService>(
    desc: S,
    name: ServiceName,
    options?: { idempotent?: (keyof S['method'] & string)[] },
  ): Client<S>
  /** The outbox relay, once the service has started: how old the oldest unsent record of a topic is. */
  oldestUnsentAgeMs(topic: string): number
}

type ConsumerSpec = Omit<ConsumerOptions, 'log' | 'db' | 'logger' | 'metrics' | 'tracing'>

/** What a service consists of. */
export type ServiceParts = {
  rpcs: BoundService[]
  consumers?: ConsumerSpec[]
  /** Background loops; stopped before the database closes. */
  loops?: { stop(): Promise<void> }[]
  /** What the service depends on beyond database, log and consumers. */
  dependencies?: () => Promise<Dependency[]>
  /** The keys that tokens are checked with; default: fetched from auth. */
  jwks?: () => Promise<JSONWebKeySet>
  /** Before the outbox's first record is sent: compare with the log. */
  beforeFirstRelay?: RelayOptions['beforeFirstRun']
  /** After the server has drained, before the database closes. */
  onStop?: () => Promise<void>
}

export type ServiceSpec<S extends z.ZodObject> = {
  name: ServiceName
  schema: S
  build: (context: ServiceContext<z.infer<S> & BaseConfig>) => Promise<ServiceParts>
}
