import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '@bitka/kernel'
import { tempDir } from '@bitka/testkit'
import { readConfig } from '../src/config.ts'
import { lockDataDir } from '../src/lock.ts'
import { loadSecrets } from '../src/secrets.ts'

describe('configuration', () => {
  it('has a default for everything', () => {
    expect(readConfig({})).toMatchObject({
      dataDir: expect.stringMatching(/\.bitka$/),
      BITKA_HTTP_PORT: 8080,
      BITKA_PROFILE: 'demo',
      BITKA_PROCESSES: 'one',
      BITKA_RATE_LIMIT_SCALE: 1,
    })
  })

  test.each<[string, string]>([
    ['BITKA_HTTP_PORT', 'abc'],
    ['BITKA_HTTP_PORT', '70000'],
    ['BITKA_PROFILE', 'testing'],
    ['BITKA_PROCESSES', 'many'],
    ['BITKA_OPERATOR_EMAIL', 'nobody'],
    ['BITKA_OPERATOR_PASSWORD', 'short'],
    ['BITKA_RATE_LIMIT_SCALE', '-1'],
    ['BITKA_LOG_LEVEL', 'loud'],
    ['BITKA_HTPT', '1'],
    ['BITKA_LIMIT_USERS_PER_MINUTE', '1'],
    ['BITKA_WS_PING', '1'],
  ])('refuses %s=%s with the variable’s name', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(ConfigError)
    expect(() => readConfig({ [name]: value })).toThrow(name)
  })

  it('turns the limits off in a demo only', () => {
    expect(() => readConfig({ BITKA_PROFILE: 'production', BITKA_RATE_LIMIT_SCALE: '0' })).toThrow(
      'BITKA_RATE_LIMIT_SCALE',
    )
  })

  it('hands on what belongs to one service', () => {
    expect(readConfig({ BITKA_MATCHING_SNAPSHOT_EVERY: '5' }).serviceVariables).toEqual({
      BITKA_MATCHING_SNAPSHOT_EVERY: '5',
    })
    const bounds = { BITKA_LIMIT_USER_PER_MINUTE: '7', BITKA_WS_PING_MS: '9', BITKA_STREAMS_PER_ADDRESS: '3' }
    expect(readConfig(bounds).serviceVariables).toEqual(bounds)
  })
})

describe('secrets', () => {
  it('are made once, differ, and only their owner can read them', async () => {
    const folder = await tempDir()
    const first = loadSecrets(folder, ['a', 'b'])
    expect(new Set([first.database.a, first.database.b, first.authKek, first.mailApiKey]).size).toBe(4)
    expect(statSync(join(folder, 'secrets.json')).mode & 0o777).toBe(0o600)
    expect(loadSecrets(folder, ['a', 'b'])).toEqual(first)
  })

  it('grow with a new role, and keep the others', async () => {
    const folder = await tempDir()
    const first = loadSecrets(folder, ['a'])
    const second = loadSecrets(folder, ['a', 'b'])
    expect(second.database.a).toBe(first.database.a)
    expect(second.database.b).toBeDefined()
    expect(JSON.parse(readFileSync(join(folder, 'secrets.json'), 'utf8'))).toEqual(second)
  })
})

describe('one exchange a data directory', () => {
  it('refuses a second one, and takes over from a dead one', async () => {
    const folder = await tempDir()
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'exchange.pid'), `${process.ppid}\n`)
    // The parent of a jest worker is a Node process too, and it lives.
    expect(() => lockDataDir(folder)).toThrow(`process ${process.ppid}`)
    writeFileSync(join(folder, 'exchange.pid'), '4194300\n')
    const unlock = lockDataDir(folder)
    expect(readFileSync(join(folder, 'exchange.pid'), 'utf8')).toBe(`${process.pid}\n`)
    unlock()
  })
})
