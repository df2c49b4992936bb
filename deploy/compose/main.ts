import { makeSecrets } from './init.ts'

const USAGE = 'usage: compose-init FOLDER   makes the secrets of deploy/compose.yaml; what is there stays'

/** Prints names, never values. Ends with 1 as long as something has to be brought. */
async function main([folder, ...more]: readonly string[]): Promise<number> {
  if (folder === undefined || more.length > 0) {
    console.error(USAGE)
    return 2
  }
  const { made, missing } = await makeSecrets(folder)
  console.log(made.length > 0 ? `made: ${made.join(', ')}` : 'everything that is made here is there')
  for (const { name, from } of missing) console.error(`missing: ${name} (${from}): write it into a file of that name`)
  return missing.length > 0 ? 1 : 0
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
