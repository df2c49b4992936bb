import { writeSpireSecrets } from '@bitka/dev-ca'
import { NODE_NAME, type Platform, platforms, registrationEntries, renderEntries } from './entries.ts'
import { register, spireServer } from './register.ts'

const USAGE = `usage: spire entries compose|unix|k8s          prints registration entries (JSON), or ClusterSPIFFEIDs (YAML)
       spire init FOLDER                        makes root, node CA and the node's certificate; keeps what is there
       spire register compose|unix BINARY SOCKET   makes a SPIRE server's entries equal to the service table
The trust domain is BITKA_TRUST_DOMAIN, or bitka.local.`

const isPlatform = (name: string | undefined): name is Platform => platforms.some((known) => known === name)

/** What SPIRE needs of us, made from the service table. */
async function main([command, first, second, third]: readonly string[]): Promise<number> {
  const trustDomain = process.env.BITKA_TRUST_DOMAIN ?? 'bitka.local'
  if (command === 'entries' && isPlatform(first)) {
    process.stdout.write(renderEntries(first, trustDomain))
    return 0
  }
  if (command === 'init' && first !== undefined) {
    const made = await writeSpireSecrets(first, trustDomain, NODE_NAME)
    console.log(made ? `root and node certificates are in ${first}` : `${first} has them already`)
    return 0
  }
  if (command === 'register' && (first === 'compose' || first === 'unix') && second && third) {
    const counts = await register(spireServer(second, third), registrationEntries(first, trustDomain))
    console.log(`${counts.created} entries created, ${counts.updated} updated, ${counts.deleted} deleted`)
    return 0
  }
  console.error(USAGE)
  return 2
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
