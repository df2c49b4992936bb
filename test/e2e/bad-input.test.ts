import { jest } from '@jest/globals'
import { bodySuite } from './bad-input/bodies.ts'
import { World } from './bad-input/world.ts'

jest.setTimeout(60_000)

// One exchange for all of it: what bad input breaks in one suite, the next one finds broken.
let world: World
beforeAll(async () => {
  world = await World.open()
  await world.remember()
}, 120_000)
afterAll(() => world?.close(), 60_000)

const at = (): World => world

describe('bodies', () => bodySuite(at))
