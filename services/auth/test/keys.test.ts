import { ConfigError, ManualClock, silentLogger } from '@bitka/kernel'
import { openDb } from '@bitka/store'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { KeyVault } from '../src/crypto/key-vault.ts'
import { KeyRing } from '../src/key-ring.ts'
import { Harness } from './harness.ts'

let on: Harness
beforeAll(async () => {
  on = await Harness.open()
})
afterAll(() => on.close())

const vault = new KeyVault(Buffer.alloc(32, 7))
const DAY = 86_400_000

/** A second replica over the same tables. */
async function openRing(clock = on.clock, options: { vault?: KeyVault } = {}) {
  const db = openDb({ url: on.database.of('auth').appUrl, schema: 'auth', poolSize: 2 })
  try {
    const ring = await KeyRing.open({ db, vault, clock, log: silentLogger, intervalMs: 30 * DAY, ...options })
    return { ring, close: () => db.close() }
  } catch (error) {
    await db.close()
    throw error
  }
}

async function verifies(token: string): Promise<boolean> {
  const { keys } = await on.auth.getJwks({})
  const checks = { issuer: 'bitka-auth', audience: 'bitka', algorithms: ['RS256'], currentDate: on.clock.now() }
  return jwtVerify(token, createLocalJWKSet({ keys: keys.map(({ $typeName: _, ...key }) => key) }), checks).then(
    () => true,
    () => false,
  )
}

it('serves the signing key first, the next one beside it, and nothing of the private halves', async () => {
  const { keys } = await on.auth.getJwks({})
  expect(keys).toHaveLength(2)
  for (const { $typeName: _, ...key } of keys) {
    expect(Object.keys(key).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
    expect(Buffer.from(key.n, 'base64url')).toHaveLength(256)
  }
  expect((await on.directory('order').getKeys({})).keys).toEqual(
    keys.map((key) => expect.objectContaining({ kid: key.kid, n: key.n })),
  )
  await on.register('alice')
  const { accessToken } = await on.login('alice')
  expect(decodeProtectedHeader(accessToken)).toEqual({ alg: 'RS256', kid: keys[0]?.kid, typ: 'JWT' })
  expect(await verifies(accessToken)).toBe(true)
  expect(await verifies(`${accessToken.slice(0, -6)}AAAAAA`)).toBe(false)
})

it('keeps private keys under the key-encryption key only', async () => {
  const { rows } = await on.db.query<{ kid: string; private_key: Buffer; kek_id: string }>('select * from signing_keys')
  for (const { kid, private_key, kek_id } of rows) {
    expect(private_key.includes(Buffer.from('RSA'))).toBe(false)
    expect(vault.open(`signing key ${kid}`, private_key, kek_id).length).toBeGreaterThan(1_000)
    expect(() => vault.open('signing key of another', private_key, kek_id)).toThrow()
  }
  await expect(openRing(on.clock, { vault: new KeyVault(Buffer.alloc(32, 8)) })).rejects.toThrow(ConfigError)
})

it('rotates: the next key signs, a new one waits, the old one is served until its tokens have expired', async () => {
  const { ring, close } = await openRing()
  const before = ring.publicKeys().map(({ kid }) => kid)
  const { accessToken } = await on.login('alice')
  await ring.rotateKeys()
  const after = ring.publicKeys().map(({ kid }) => kid)
  expect(after).toEqual([before[1], expect.any(String), before[0]])
  expect(ring.signer().kid).toBe(before[1])
  // The running service looks again by itself only every 30 s; a restart looks at once.
  await on.stop()
  await on.start()
  expect(await verifies(accessToken)).toBe(true)
  expect(decodeProtectedHeader((await on.login('alice')).accessToken).kid).toBe(before[1])
  on.clock.advance(20 * 60_000)
  expect((await on.auth.getJwks({})).keys.map(({ kid }) => kid)).toEqual(after.slice(0, 2))
  await close()
})

it('rotates by itself when the key is old, once for all replicas', async () => {
  const clock = new ManualClock(on.clock.nowMs() + 29 * DAY)
  const [a, b] = [await openRing(clock), await openRing(clock)]
  const { kid } = a.ring.signer()
  await a.ring.refresh()
  expect(a.ring.signer().kid).toBe(kid)
  clock.advance(2 * DAY)
  await Promise.all([a.ring.refresh(), b.ring.refresh()])
  await Promise.all([a.ring.refresh(), b.ring.refresh()])
  expect(a.ring.signer().kid).not.toBe(kid)
  expect(b.ring.publicKeys()).toEqual(a.ring.publicKeys())
  expect(a.ring.publicKeys()).toHaveLength(3)
  await Promise.all([a.close(), b.close()])
})
