import { expectNamed, expectRefusal } from './expected.ts'
import type { Json, RawAnswer } from './raw.ts'
import { bodiless, type Example, free, routes } from './routes.ts'
import type { World } from './world.ts'

const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

/** What is wrong with a body as a whole. */
const broken: readonly (string | Buffer)[] = [
  '{"a":',
  "{'a':1}",
  '{"a":1,}',
  '{"a" 1}',
  '{a:1}',
  '{}{}',
  '{} // why',
  '\ufeff{}',
  'NaN',
  '\0',
  Buffer.from('{}', 'utf16le'),
  Buffer.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
  nested(1_000),
  `{"a":${'['.repeat(1_000)}${']'.repeat(1_000)}}`,
]
const noObjects: readonly string[] = ['[]', '"x"', '1', 'null', 'true']
/** The limit is 64 KiB. */
const tooLarge = `{}${' '.repeat(65_535)}`

const wrongTypes: readonly string[] = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/json; charset=utf-16',
  'application/jsonx',
  '',
]

const withBody = Object.entries(routes).filter(([name]) => !bodiless.includes(name))

/** Everything that can be wrong with a body before anybody asks what it means, for every route that has one. */
export function bodySuite(at: () => World): void {
  it('knows every route that changes something', async () => {
    const { body } = await at().send({ path: '/openapi.json' })
    const found = Object.entries(body.paths as Record<string, object>).flatMap(([path, operations]) =>
      Object.keys(operations)
        .filter((verb) => verb !== 'get')
        .map((verb) => `${verb.toUpperCase()} ${path}`),
    )
    expect(found.sort()).toEqual(Object.keys(routes).sort())
  })

  describe.each(withBody)('%s', (name, example) => {
    const isFree = free.includes(name)
    const [method = ''] = name.split(' ')
    const post = (body: object | string | Buffer, headers = {}): Promise<RawAnswer> => {
      const world = at()
      return world.send({
        method,
        path: example.path(world),
        token: example.as && world.token(example.as),
        body,
        headers,
      })
    }
    const good = (): Record<string, Json> => example.body(at()) as Record<string, Json>
    /** All at once: what is refused depends on nothing but itself. */
    const each = <T>(cases: readonly T[], run: (one: T) => Promise<void>) => Promise.all(cases.map(run))

    it('refuses what is not a JSON object, is called something else, or is too large', async () => {
      await each(broken, async (body) => expectRefusal(await post(body), { status: 400, fields: ['body'] }))
      const field = isFree ? 'payload' : 'body'
      const notNull = isFree ? noObjects.filter((body) => body !== 'null') : noObjects
      await each(notNull, async (body) => expectRefusal(await post(body), { status: 400, fields: [field] }))
      expectRefusal(await post(tooLarge), { status: 413 })
      await each(wrongTypes, async (type) => {
        expectRefusal(await post(good(), { 'content-type': type }), { status: 400, fields: ['Content-Type'] })
      })
      const packed = await post(good(), { 'content-encoding': 'gzip' })
      expectRefusal(packed, { status: 400, fields: ['Content-Encoding'] })
    })

    it('refuses fields that it does not know, fields given twice, and text that is none', async () => {
      const text = JSON.stringify(good())
      const plus = (member: string): string => (text === '{}' ? `{${member}}` : `${text.slice(0, -1)},${member}}`)
      const unknown = isFree ? ['__proto__'] : ['nope', 'Symbol', '__proto__', 'constructor', 'user_identity']
      await each(unknown, async (field) => {
        expectRefusal(await post(plus(`"${field}":{"a":1}`)), { status: 400, fields: [field] })
      })
      await each(Object.entries(good()), async ([field, value]) => {
        const twice = plus(`"${field}":${JSON.stringify(value)}`)
        expectRefusal(await post(twice), { status: 400, fields: [field] })
        if (typeof value !== 'string') return
        for (const bad of ['\\u0000', '\\ud800', '\\udc00x']) {
          const spoilt = text.replace(`"${field}":"`, () => `"${field}":"${bad}`)
          expectRefusal(await post(spoilt), { status: 400, fields: [field] })
        }
        const [head = '', tail = ''] = text.split(`"${field}":"`)
        for (const byte of [0xff, 0xc0, 0x00]) {
          const spoilt = Buffer.concat([Buffer.from(`${head}"${field}":"`), Buffer.of(byte), Buffer.from(tail)])
          expectRefusal(await post(spoilt), { status: 400, fields: ['body'] })
        }
      })
    })

    it('refuses a value of another type, naming its field', async () => {
      await each(isFree ? [] : Object.entries(good()), async ([field, value]) => {
        for (const wrong of othersThan(value)) {
          const body = JSON.stringify({ ...good(), [field]: '?' }).replace(`"${field}":"?"`, `"${field}":${wrong}`)
          expectNamed(await post(body), 400, Array.isArray(value) && wrong.startsWith('[') ? `${field}[0]` : field)
        }
      })
    })

    it('refuses to do without what it needs', () => refusesLess(example, post, good))

    it('has left nothing behind', () => at().expectUnchanged())
  })
}

async function refusesLess(
  { required, conditional = [] }: Example,
  post: (body: object) => Promise<RawAnswer>,
  good: () => Record<string, Json>,
): Promise<void> {
  await Promise.all(
    required.map(async (field) => {
      const { [field]: _, ...rest } = good()
      for (const body of [rest, { ...rest, [field]: null }, { ...rest, [field]: '' }]) {
        expectNamed(await post(body), 400, field)
      }
    }),
  )
  if (required.length === 0) return
  // An empty body is told of everything at once.
  const needed = required.filter((field) => !conditional.includes(field))
  expectRefusal(await post({}), { status: 400, fields: needed })
  // So is one where something is of another type besides.
  const [first = '', second = first] = needed
  expectNamed(await post({ [first]: [] }), 400, second)
}

const json: readonly string[] = ['"?"', '1', '1.5', 'true', '{}', '[]', '{"a":1}', '["x"]']

/** JSON of every other type than the value's. */
function othersThan(value: Json): string[] {
  const without = (...own: string[]): string[] => json.filter((one) => !own.includes(one))
  if (typeof value === 'string') return without('"?"')
  if (typeof value === 'number') return [...without('1'), '"1"', '1.0', '1e2', '99999999999', '-99999999999']
  if (typeof value === 'boolean') return [...without('true'), '"true"', '0']
  return Array.isArray(value) ? without('[]') : without('{}', '{"a":1}')
}
