import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { issueForeignSvid, svidFiles, writeSvidPem } from '@bitka/dev-ca'
import { spiffeId } from '@bitka/mesh'
import { prepareEnvoy } from './native.ts'
import { PUBLIC_HOST_VARIABLE } from './options.ts'
import { containerFolders, targets } from './render.ts'

const TRUST_DOMAIN = 'bitka.local'
/** Beside each configuration for containers. */
const CERTIFICATE_FILE = 'envoy-certificate.yaml'

/** What Envoy says of a configuration; no problems when it says OK and nothing else that matters. */
async function ask(binary: string, file: string): Promise<string[]> {
  const args = ['--mode', 'validate', '--disable-hot-restart', '-l', 'warn', '-c', file]
  const env = { [PUBLIC_HOST_VARIABLE]: 'exchange.example' }
  const { stdout, stderr } = await promisify(execFile)(binary, args, { env, maxBuffer: 1 << 26 }).catch(
    (error: { stdout?: string; stderr?: string }) => ({ stdout: '', stderr: error.stderr || String(error) }),
  )
  // A warning is of something that is to go away, or is not finished.
  const problems = stderr.split('\n').filter((line) => /\]\[(warning|error|critical)\]/.test(line))
  return stdout.includes(' OK') || problems.length > 0 ? problems : [stderr.trim() || stdout.trim()]
}

/** Has Envoy read a configuration for a container on a machine that is none. */
async function checkContainer(binary: string, file: string, certificateFile: string, dir: string): Promise<string[]> {
  const [config, publicTls] = [join(dir, 'config'), join(dir, 'tls')]
  for (const folder of [config, publicTls]) mkdirSync(folder, { recursive: true })
  const here = (text: string): string =>
    text.replaceAll(containerFolders.publicTls, publicTls).replaceAll(containerFolders.config, config)
  const { certificatePem, privateKeyPem } = await issueForeignSvid(TRUST_DOMAIN, [spiffeId(TRUST_DOMAIN, 'public')])
  writeFileSync(join(publicTls, 'tls.crt'), certificatePem)
  writeFileSync(join(publicTls, 'tls.key'), privateKeyPem, { mode: 0o600 })
  writeFileSync(join(config, CERTIFICATE_FILE), here(readFileSync(certificateFile, 'utf8')))
  writeFileSync(join(config, 'envoy.yaml'), here(readFileSync(file, 'utf8')))
  return await ask(binary, join(config, 'envoy.yaml'))
}

async function checkNative(binary: string, dir: string): Promise<string[]> {
  const files = async (name: string): Promise<ReturnType<typeof svidFiles>> => {
    const folder = join(dir, name)
    await writeSvidPem(folder, await issueForeignSvid(TRUST_DOMAIN, [spiffeId(TRUST_DOMAIN, name)]))
    return svidFiles(folder)
  }
  await prepareEnvoy({
    binary,
    dir,
    uid: undefined,
    trustDomain: TRUST_DOMAIN,
    identityFiles: await files('envoy'),
    publicTls: await files('public'),
    internalCallers: [spiffeId(TRUST_DOMAIN, 'internal-caller')],
    gatewayPorts: [7000, 7005],
  })
  return await ask(binary, join(dir, 'envoy.yaml'))
}

/**
 * Has Envoy read the configuration of every way of running: those of compose and k8s from `folder`, and further files for
 * containers. Answers what is wrong, by name.
 */
export async function validate(
  binary: string,
  folder: string,
  further: readonly string[] = [],
): Promise<Map<string, string[]>> {
  const dir = mkdtempSync(join(tmpdir(), 'bitka-envoy-'))
  try {
    const files = [...targets.map((target) => join(folder, `${target}.yaml`)), ...further]
    const found = new Map([['native', await checkNative(binary, join(dir, 'native'))]])
    for (const [i, file] of files.entries())
      found.set(file, await checkContainer(binary, file, join(folder, CERTIFICATE_FILE), join(dir, String(i))))
    return found
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
