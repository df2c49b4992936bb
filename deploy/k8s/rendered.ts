import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Any Kubernetes object; tests look into it as they know it to be. */
// biome-ignore lint/suspicious/noExplicitAny: a manifest has whatever shape its kind has; kubeconform checks that
export type Manifest = Record<string, any> & { kind: string; metadata: { name: string; namespace?: string } }

/** Runs scripts/lint-k8s.mjs. */
export function lintK8s(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 } as const
  return spawnSync(process.execPath, ['scripts/lint-k8s.mjs', ...args], options)
}

type Applied = 'gke' | 'k3s' | 'spire' | 'monitoringGke' | 'monitoringK3s' | 'withCallers'

/** What is applied, as kustomize makes it: the exchange, SPIRE and what watches them. */
export function renderedManifests(): Record<Applied, Manifest[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bitka-rendered-'))
  try {
    const { status, stderr } = lintK8s('--render', folder)
    if (status !== 0) throw new Error(`the manifests cannot be built:\n${stderr}`)
    const read = (name: string): Manifest[] =>
      parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document) => document.toJS() as Manifest)
    return {
      gke: read('k8s-overlays-gke.yaml'),
      k3s: read('k8s-overlays-k3s.yaml'),
      spire: read('k8s-spire.yaml'),
      monitoringGke: read('k8s-monitoring-gke.yaml'),
      monitoringK3s: read('k8s-monitoring-k3s.yaml'),
      withCallers: read('with-internal-callers.yaml'),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
