// Builds every kustomization that is applied and validates what comes out against the schemas of Kubernetes and of the CRDs,
// offline and strictly. With --manifests FOLDER it validates the files of that folder instead; --json prints kubeconform's report;
// --render FOLDER only writes what comes out.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { goTools } from './go-tools.mjs'
import { k8sSchemas, schemaLocation } from './k8s-schemas.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: { manifests: { type: 'string' }, json: { type: 'boolean', default: false }, render: { type: 'string' } },
})
/** What somebody applies. */
const applied = ['k8s/overlays/gke', 'k8s/overlays/k3s', 'k8s/spire', 'k8s/monitoring/gke', 'k8s/monitoring/k3s']
const programs = goTools('deploy/k8s/tools', [
  'sigs.k8s.io/kustomize/kustomize/v5',
  'github.com/yannh/kubeconform/cmd/kubeconform',
])

function build(folder, out, name = folder.replaceAll('/', '-')) {
  const { status, stdout, stderr } = spawnSync(join(programs, 'kustomize'), ['build', join(root, folder)], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0 || stderr !== '') throw new Error(`kustomize build ${folder}:\n${stderr}`)
  writeFileSync(join(out, `${name}.yaml`), stdout)
}

/** The component that an installation may add, on top of an overlay as it would be. */
function buildWithCallers(out) {
  const folder = mkdtempSync(join(tmpdir(), 'bitka-callers-'))
  try {
    const at = (path) => relative(realpathSync(folder), join(realpathSync(root), path))
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      namespace: 'bitka',
      resources: [at('k8s/overlays/k3s')],
      components: [at('k8s/components/internal-callers')],
      configMapGenerator: [{ name: 'site', behavior: 'merge', literals: ['internalCallersCidr=10.50.0.0/24'] }],
    }
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
    build(relative(root, folder), out, 'with-internal-callers')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A kind without a schema is an error, as everything is that kubeconform cannot judge. */
function validate(folder) {
  const args = ['-strict', '-summary', '-n', '2', '-schema-location', schemaLocation(k8sSchemas())]
  if (values.json) args.push('-output', 'json', '-verbose')
  const { status, stdout, stderr } = spawnSync(join(programs, 'kubeconform'), [...args, folder], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  return status ?? 1
}

const work = mkdtempSync(join(tmpdir(), 'bitka-k8s-'))
try {
  if (values.manifests === undefined) {
    for (const folder of applied) build(folder, values.render ?? work)
    buildWithCallers(values.render ?? work)
  }
  if (values.render === undefined) process.exitCode = validate(values.manifests ?? work)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
