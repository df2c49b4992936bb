import { commonLabels, PHASE_LABEL } from './platform.ts'
import type { JsonObject } from './pods.ts'
import { secretTable } from './secrets.ts'

/** The Secrets of an overlay whose values lie in a store outside of the cluster: one entry `bitka-NAME` each, a JSON object. */
export const externalSecrets = (overlay: string): JsonObject[] =>
  secretTable
    .filter(({ namespace, madeBy }) => namespace === undefined && madeBy === undefined)
    .filter(({ overlays }) => overlays?.includes(overlay) ?? true)
    .map(({ name, keys, type }) => ({
      apiVersion: 'external-secrets.io/v1',
      kind: 'ExternalSecret',
      metadata: { name, labels: { ...commonLabels(name), [PHASE_LABEL]: 'prepare' } },
      spec: {
        refreshInterval: '1h',
        secretStoreRef: { kind: 'SecretStore', name: 'bitka' },
        target: { name, creationPolicy: 'Owner', template: { type: type ?? 'Opaque', mergePolicy: 'Merge' } },
        data: Object.keys(keys).map((key) => ({
          secretKey: key,
          remoteRef: { key: `bitka-${name}`, property: key },
        })),
      },
    }))
