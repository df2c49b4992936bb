import { randomUUID } from 'node:crypto'
import { type BitkaClient, createBitkaClient } from '@bitka/client'

export const OPERATOR = { identifier: 'operator@bitka.local', password: 'bench-operator-password' }

/** A user with funds, and a token that outlives the run. */
export type Trader = { client: BitkaClient; token: string }

/** What each trader gets: more than any run can spend. */
const FUNDS = { BTC: '1000', ETH: '100000', THB: '1000000000' }

/** How many sign up side by side: passwords are hashed slowly on purpose. */
const AT_ONCE = 4

/** Registers users and has treasury credit each of them with every asset. */
export async function addTraders(baseUrl: string, count: number, operator = OPERATOR): Promise<Trader[]> {
  const treasury = createBitkaClient({ baseUrl, credentials: operator })
  const traders: Trader[] = []
  const add = async (): Promise<void> => {
    const username = `bench-${randomUUID().slice(0, 12)}`
    const password = randomUUID()
    const client = createBitkaClient({ baseUrl, credentials: { identifier: username, password } })
    await client.auth.register({ username, email: `${username}@example.com`, password })
    const token = await client.accessToken()
    if (token === undefined) throw new Error('a new user cannot sign in')
    const { items } = await client.ledger.accounts({ per_page: 200 })
    for (const [asset, amount] of Object.entries(FUNDS)) {
      const account = items.find((candidate) => candidate.asset === asset)
      if (!account) throw new Error(`a new user has no account for ${asset}`)
      await treasury.ledger.createTransaction({ account_id: account.id, type: 'credit', amount, asset })
    }
    traders.push({ client, token })
  }
  let left = count
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0) {
        left -= 1
        await add()
      }
    }),
  )
  return traders
}
