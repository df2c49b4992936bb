import { allItems, type BitkaClient } from '@bitka/client'
import { creditUser } from '../people/funds.ts'
import type { People } from '../people/people.ts'
import { makerFunds, makerNames, takerFunds, takerNames } from './plans.ts'

export type Cast = { makers: BitkaClient[]; takers: BitkaClient[] }

/** Registers everybody of the demo and sees that they have money, as the operator. */
export async function gatherCast(people: People, say: (line: string) => void): Promise<Cast> {
  const funds: Readonly<Record<string, Readonly<Record<string, string>>>> = Object.fromEntries([
    ...makerNames.map((name) => [name, makerFunds]),
    ...takerNames.map((name) => [name, takerFunds]),
  ])
  const clients = new Map<string, BitkaClient>()
  let operator: BitkaClient | undefined
  for (const [name, wanted] of Object.entries(funds)) {
    const outcome = await people.register(name)
    const client = people.client(name)
    clients.set(name, client)
    const missing = await missingFunds(client, wanted)
    if (missing.length > 0) operator ??= await people.operator()
    for (const [asset, amount] of missing) {
      if (operator) await creditUser(operator, { userId: await people.userIdOf(name, operator), amount, asset })
    }
    const given = missing.map(([asset, amount]) => `${amount} ${asset}`).join(', ')
    say(`${name} ${outcome}${given ? `, credited ${given}` : ''}`)
  }
  const all = (names: readonly string[]): BitkaClient[] =>
    names.flatMap((name) => {
      const client = clients.get(name)
      return client ? [client] : []
    })
  return { makers: all(makerNames), takers: all(takerNames) }
}

/** Those assets of which somebody has less than a tenth of what they should have. */
async function missingFunds(
  client: BitkaClient,
  wanted: Readonly<Record<string, string>>,
): Promise<[asset: string, amount: string][]> {
  const items = await allItems(client.ledger.accounts, {})
  return Object.entries(wanted).filter(([asset, amount]) => {
    const account = items.find((one) => one.asset === asset)
    const has = account ? Number(account.available) + Number(account.locked) : 0
    return has < Number(amount) / 10
  })
}
