import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tempDir } from '@bitka/testkit'
import { makeSecrets } from './init.ts'
import { secretFiles } from './secrets.ts'

const fromOutside = ['mailgun-api-key', 'mailgun-signing-key']

async function contents(folder: string): Promise<Map<string, string>> {
  const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile())
  return new Map(
    await Promise.all(files.map(async ({ name }) => [name, await readFile(join(folder, name), 'utf8')] as const)),
  )
}

it('makes every secret that chance can make, names the others, and changes nothing when it is run again', async () => {
  const folder = await tempDir()
  const first = await makeSecrets(folder)
  expect(first.missing.map(({ name }) => name)).toEqual(fromOutside)
  expect(first.made).toContain('spire/')
  const made = await contents(folder)
  expect([...made.keys(), ...fromOutside].sort()).toEqual(
    secretFiles()
      .map(({ name }) => name)
      .sort(),
  )
  for (const name of fromOutside) await writeFile(join(folder, name), 'from elsewhere\n')
  expect(await makeSecrets(folder)).toEqual({ made: [], missing: [] })
  const after = await contents(folder)
  for (const [name, content] of made) expect(after.get(name)).toBe(content)
})

it('gives no two roles one password, and all who need the admin the same', async () => {
  const folder = await tempDir()
  await makeSecrets(folder)
  const made = await contents(folder)
  const passwordIn = (name: string): string => new URL(made.get(name)?.trim() ?? '').password
  const admin = made.get('postgres-password')?.trim()
  expect([passwordIn('db-admin-url'), passwordIn('backup-db-url')]).toEqual([admin, admin])
  const urls = [...made.keys()].filter((name) => /-(app|owner)-url$/.test(name))
  expect(new Set(urls.map(passwordIn)).size).toBe(urls.length)
  for (const name of urls) expect(new URL(made.get(name) ?? '').searchParams.get('sslmode')).toBe('verify-full')
})

it('finishes what a run that died half way began, with the same password', async () => {
  const folder = await tempDir()
  await writeFile(join(folder, 'postgres-password'), 'kept-from-before\n', { mode: 0o600 })
  await makeSecrets(folder)
  expect(await readFile(join(folder, 'db-admin-url'), 'utf8')).toContain(':kept-from-before@')
})

it('lets the account of each file read it, and nobody else', async () => {
  const folder = await tempDir()
  await makeSecrets(folder)
  for (const { name, uid, gid } of secretFiles().filter((file) => !fromOutside.includes(file.name))) {
    const state = await stat(join(folder, name))
    expect({ name, mode: state.mode & 0o777 }).toEqual({ name, mode: gid === undefined ? 0o400 : 0o440 })
    if (process.getuid?.() === 0)
      expect({ name, uid: state.uid, gid: state.gid }).toEqual({ name, uid, gid: gid ?? uid })
  }
})
