import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { tempDir, waitFor } from '../src/index.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const bin = join(createRequire(import.meta.url).resolve('jest/package.json'), '../bin/jest.js')

/** jest with the repository's own configuration over one fixture. */
function runJest(fixture: string, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const match = ['--testMatch', `**/testkit/test/fixtures/${fixture}.fixture.ts`]
  return spawn(process.execPath, ['--experimental-vm-modules', bin, ...match, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  })
}

type Report = {
  success: boolean
  testResults: { message: string; assertionResults: { title: string; status: string; failureMessages: string[] }[] }[]
}

async function report(fixture: string): Promise<Report> {
  const file = join(await tempDir(), 'report.json')
  await once(runJest(fixture, ['--json', '--outputFile', file]), 'exit')
  return JSON.parse(await readFile(file, 'utf8')) as Report
}

it('fails a test during which Node warns or a rejection goes unhandled, and no other', async () => {
  const { success, testResults } = await report('warns')
  expect(success).toBe(false)
  const outcomes = testResults.flatMap((file) => file.assertionResults.map(({ title, status }) => [title, status]))
  expect(outcomes).toEqual([
    ['is fine', 'passed'],
    ['warns', 'failed'],
    ['rejects at once', 'failed'],
    ['rejects later', 'failed'],
    ['is fine too', 'passed'],
  ])
  expect(testResults[0]?.assertionResults[1]?.failureMessages.join()).toContain('something is deprecated')
})

it('fails the file when Node warns after its tests', async () => {
  const { success, testResults } = await report('warns-late')
  expect(success).toBe(false)
  expect(testResults[0]?.message).toContain('too late for the test')
})

it('stops the shared PostgreSQL and removes the files of a run that was killed', async () => {
  const file = join(await tempDir(), 'holds.json')
  const run = runJest('holds-postgres', [], { HOLDS_FILE: file })
  const { adminUrl, runDir } = await waitFor(
    async () => JSON.parse(await readFile(file, 'utf8')) as { adminUrl: string; runDir: string },
    { timeoutMs: 90_000, what: 'the other run to have PostgreSQL' },
  )
  run.kill('SIGKILL')
  await waitFor(() => !existsSync(runDir), { timeoutMs: 60_000, what: 'the run’s folder to be gone' })
  const client = new pg.Client({ connectionString: adminUrl })
  await expect(client.connect()).rejects.toThrow('ECONNREFUSED')
})
