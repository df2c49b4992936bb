import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const PLUGIN_JAR = 'bitka-kafka-spiffe.jar'
/** Of every entry of the jar, so that the same sources make the same bytes. ZIP knows no time before 1980. */
const ENTRY_TIME = '2000-01-01T00:00:00Z'

/**
 * Compiles our part of the broker against its jars; answers the jar's path. Does nothing when the jar was built from these
 * sources already.
 */
export async function buildPlugin(source: string, jarsDir: string, outDir: string): Promise<string> {
  const folder = join(source, 'java', 'bitka', 'kafka')
  const files = (await readdir(folder)).sort().map((name) => join(folder, name))
  const hash = createHash('sha256')
  for (const file of files) hash.update(await readFile(file))
  const stamp = hash.digest('hex')
  const jar = join(outDir, PLUGIN_JAR)
  if ((await readFile(`${jar}.source`, 'utf8').catch(() => '')) === stamp) return jar
  await mkdir(dirname(jar), { recursive: true, mode: 0o755 })
  const work = `${jar}.${process.pid}`
  await mkdir(work, { recursive: true })
  try {
    const classes = join(work, 'classes')
    await run('javac', ['--release', '17', '-g:none', '-cp', join(jarsDir, '*'), '-d', classes, ...files])
    const fresh = join(work, PLUGIN_JAR)
    // The manifest would name the JDK; without one the order of entries is that of the command line.
    const names = (await readdir(join(classes, 'bitka', 'kafka'))).sort().map((name) => `bitka/kafka/${name}`)
    const entries = names.flatMap((name) => ['-C', classes, name])
    await run('jar', ['--create', '--no-manifest', '--date', ENTRY_TIME, '--file', fresh, ...entries])
    await rename(fresh, jar)
    await writeFile(`${jar}.source`, stamp)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return jar
}
