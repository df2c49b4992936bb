import { readPeopleConfig } from '../people/config.ts'
import { People } from '../people/people.ts'
import { plainMessage } from '../people/plain.ts'
import { parseCommand } from './command.ts'
import { run } from './run.ts'

/** `./bitka`: the exchange from a terminal, over its public API. */
async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2))
  const lines = await run(command, new People(readPeopleConfig(process.env)))
  process.stdout.write(`${lines.join('\n')}\n`)
}

main().catch((error: unknown) => {
  process.stderr.write(`${plainMessage(error) ?? (error instanceof Error ? error.stack : String(error))}\n`)
  process.exitCode = 1
})
