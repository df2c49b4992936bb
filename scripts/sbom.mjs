// What is in an image, as a CycloneDX 1.6 document. The packages are those that the bundler really took in, and those that
// are copied beside the bundle: a list of the lockfile would name many that do not ship.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The components of installed npm packages. @param folders where they are installed */
export function npmComponents(folders) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return folders.map((folder) => {
    const { name, version, license, description } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const integrity = packages[relative(root, folder)]?.integrity
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    return {
      type: 'library',
      'bom-ref': purl,
      name,
      version,
      ...(description && { description }),
      ...(integrity && { hashes: hashesOf(integrity) }),
      ...(license && { licenses: [licenceOf(license)] }),
      purl,
    }
  })
}

/** npm writes "sha512-<base64>", CycloneDX wants hex. */
function hashesOf(integrity) {
  const algorithms = { sha512: 'SHA-512', sha256: 'SHA-256', sha1: 'SHA-1' }
  return integrity.split(' ').map((one) => {
    const [algorithm, value] = [one.slice(0, one.indexOf('-')), one.slice(one.indexOf('-') + 1)]
    return { alg: algorithms[algorithm], content: Buffer.from(value, 'base64').toString('hex') }
  })
}

function licenceOf(text) {
  return / (OR|AND|WITH) /.test(text) ? { expression: text } : { license: { id: text } }
}

/** The components of jars. @param list a file in the form of sha256sum, names as <artifact>-<version>.jar */
export function jarComponents(list) {
  return readFileSync(list, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [hash, file] = line.split(/\s+/)
      const [, name, version] = /^(.+?)-(\d[\w.-]*)\.jar$/.exec(file) ?? []
      if (name === undefined) throw new Error(`${file} has no version in its name`)
      const hashes = [{ alg: 'SHA-256', content: hash }]
      return { type: 'library', 'bom-ref': file, name, version, hashes }
    })
}

/**
 * Writes the document of one image.
 * @param time seconds since 1970 of the commit; the document's number follows from its content, not from the hour
 */
export function writeSbom(file, { name, version, time, components }) {
  const sorted = [...new Map(components.map((one) => [one['bom-ref'], one])).values()]
  sorted.sort((one, other) => (one['bom-ref'] < other['bom-ref'] ? -1 : 1))
  const ref = `bitka/${name}@${version}`
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      tools: { components: [{ type: 'application', name: 'scripts/sbom.mjs' }] },
      component: { type: 'container', 'bom-ref': ref, name: `bitka/${name}`, version },
    },
    components: sorted,
    dependencies: [{ ref, dependsOn: sorted.map((one) => one['bom-ref']) }],
  }
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(document))}`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ serialNumber, ...document }, undefined, 2)}\n`)
}

/** A UUID (version 8, RFC 9562) made of a text's hash. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((Number.parseInt(hex[16], 16) & 3) | 8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
