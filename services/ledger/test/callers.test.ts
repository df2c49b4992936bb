import { DomainError } from '@bitka/kernel'
import { type Client, type MethodPolicy, type ServiceName, serviceNames } from '@bitka/mesh'
import { LedgerPostingService, LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { DescService } from '@bufbuild/protobuf'
import { ledgerPolicy, postingPolicy } from '../src/policy.ts'
import { Harness, type Person } from './harness.ts'

type Call = (request: object, options: object) => Promise<unknown> | AsyncIterable<unknown>

describe('the ledger answers', () => {
  let h: Harness
  let nobody: Person
  beforeAll(async () => {
    h = await Harness.open()
    nobody = await h.person('nobody')
  })
  afterAll(() => h.close())

  /** What becomes of an empty request: the kind of the refusal, or "ok". */
  async function outcome<S extends DescService>(client: Client<S>, method: string, options: object): Promise<string> {
    const call = (client as Record<string, unknown>)[method] as Call
    try {
      const answer = call({}, options)
      if (Symbol.asyncIterator in answer) {
        for await (const _ of answer) break
      } else await answer
      return 'ok'
    } catch (error) {
      return error instanceof DomainError ? error.kind : Promise.reject(error)
    }
  }

  async function tryAll<S extends DescService>(desc: S, policy: Record<string, MethodPolicy>): Promise<void> {
    const client = (caller: ServiceName) => h.platform.client(desc, caller, { service: 'ledger', port: h.port })
    for (const caller of serviceNames) {
      const as = await client(caller)
      for (const [method, rule] of Object.entries(policy)) {
        const isAllowed = rule.kind === 'internal' ? rule.callers.includes(caller) : caller === 'gateway'
        const got = await outcome(as, method, nobody.as)
        const expected =
          isAllowed && !(rule.kind === 'user' && rule.roles) ? expect.not.stringContaining('forbidden') : 'forbidden'
        expect([caller, method, got]).toEqual([caller, method, expected])
        if (!isAllowed || rule.kind === 'internal') continue
        const anonymous = rule.kind === 'user' ? 'unauthenticated' : expect.not.stringContaining('unauthenticated')
        expect([caller, method, await outcome(as, method, {})]).toEqual([caller, method, anonymous])
      }
    }
  }

  it('people through the gateway alone, by their token and their roles', () => tryAll(LedgerService, ledgerPolicy))
  it('services by their certificate, and only those that may', () => tryAll(LedgerPostingService, postingPolicy))
})
