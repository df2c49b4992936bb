import { addressSuite } from './bad-input/addresses.ts'
import { bodySuite } from './bad-input/bodies.ts'
import { contractSuite } from './bad-input/contract.ts'
import { idempotencySuite } from './bad-input/idempotency.ts'
import { logSuite } from './bad-input/logs.ts'
import { querySuite } from './bad-input/queries.ts'
import { repeatSuite } from './bad-input/repeats.ts'
import { socketSuite } from './bad-input/sockets.ts'
import { tokenSuite } from './bad-input/tokens.ts'
import { typedSuite } from './bad-input/typed.ts'
import { valueSuite } from './bad-input/values.ts'
import { wireSuite } from './bad-input/wires.ts'
import { World } from './bad-input/world.ts'

// One exchange for all of it: what bad input breaks in one suite, the next one finds broken.
let world: World
beforeAll(async () => {
  world = await World.open()
  await world.remember()
}, 120_000)
afterAll(() => world?.close())

const at = (): World => world

describe('bodies', () => bodySuite(at))
describe('values', () => valueSuite(at))
describe('addresses', () => addressSuite(at))
describe('queries', () => querySuite(at))
describe('tokens', () => tokenSuite(at))
describe('wires', () => wireSuite(at))
describe('typed dialects', () => typedSuite(at))
describe('WebSockets', () => socketSuite(at))
// Last: these change things.
describe('idempotency keys', () => idempotencySuite(at))
describe('repeats', () => repeatSuite(at))
describe('the contract', () => contractSuite(at))
describe('logs', () => logSuite(at))
