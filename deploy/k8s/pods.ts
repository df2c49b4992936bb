import { trustDomain, WORKLOAD_LABEL, workloadApi } from './platform.ts'

/** A part of a manifest. */
export type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/** What the namespace's "restricted" level demands of a pod, for an account of the table. */
export const podSecurity = (uid: number): JsonObject => ({
  runAsNonRoot: true,
  runAsUser: uid,
  runAsGroup: uid,
  fsGroup: uid,
  seccompProfile: { type: 'RuntimeDefault' },
})

export const containerSecurity: JsonObject = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** The agent's socket, by the SPIFFE CSI driver. */
export const spiffeVolume: JsonObject = { name: 'spiffe', csi: { driver: 'csi.spiffe.io', readOnly: true } }
export const spiffeMount: JsonObject = { name: 'spiffe', mountPath: workloadApi.folder, readOnly: true }
export const spiffeEnv: readonly JsonObject[] = [
  { name: 'SPIFFE_ENDPOINT_SOCKET', value: `unix:${workloadApi.socket}` },
  { name: 'BITKA_TRUST_DOMAIN', value: trustDomain },
]

/** The roots of PostgreSQL's certificate: the Secret holds their key too, which no pod of ours gets. */
export const databaseCaVolume: JsonObject = {
  name: 'db-ca',
  secret: { secretName: 'postgres-ca', defaultMode: 0o444, items: [{ key: 'ca.crt', path: 'ca.crt' }] },
}
export const databaseCaMount: JsonObject = { name: 'db-ca', mountPath: '/run/db-ca', readOnly: true }

/** Some keys of a Secret as files. */
export const secretVolume = (name: string, secretName: string, keys: readonly string[]): JsonObject => ({
  name,
  secret: { secretName, defaultMode: 0o440, items: keys.map((key) => ({ key, path: key })) },
})

/** Copies stand in different zones and on different machines, where there are several. */
export const spread = (name: string): Json[] =>
  ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: { [WORKLOAD_LABEL]: name } },
  }))

const probe = (path: string, port: Json, rest: JsonObject): JsonObject => ({ httpGet: { path, port }, ...rest })

/**
 * The probes of a program with a metrics port. A program that waits for what it needs lives and is not ready; one that does
 * not answer at all for 30 s is killed.
 */
export const probes = (port: Json): JsonObject => ({
  startupProbe: probe('/livez', port, { periodSeconds: 2, failureThreshold: 60 }),
  livenessProbe: probe('/livez', port, { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 }),
  readinessProbe: probe('/readyz', port, { periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 2 }),
})
