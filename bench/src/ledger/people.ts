import { newId } from '@bitka/kernel'
import type { CallOptions } from '@bitka/mesh'
import { TransactionType } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { LedgerServer } from './server.ts'

/** A user with money in one account. */
export type Person = { userId: string; username: string; accountId: string; as: CallOptions }

const ASSET = 'THB'
/** More than all rounds together can move. */
const FUNDS = '1000000000.00'
/** A token must outlive the run. */
const TOKEN_S = 3_600

/** Users whom treasury has credited, over the public RPCs. */
export async function addPeople({ auth, ledger }: LedgerServer, count: number): Promise<Person[]> {
  const treasurer = auth.addUser('treasurer')
  const asTreasurer = {
    token: await auth.token(treasurer.userId, { roles: ['user', 'treasury'], expiresInS: TOKEN_S }),
  }
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { userId, username } = auth.addUser(`bench-${index}`)
      const as = { token: await auth.token(userId, { expiresInS: TOKEN_S }) }
      const { items } = await ledger.listAccounts({ asset: ASSET }, as)
      const accountId = items[0]?.id
      if (accountId === undefined) throw new Error('a new user has no account')
      await ledger.createTransaction(
        { accountId, asset: ASSET, amount: FUNDS, type: TransactionType.CREDIT },
        { ...asTreasurer, edge: { idempotencyKey: newId() } },
      )
      return { userId, username, accountId, as }
    }),
  )
}
