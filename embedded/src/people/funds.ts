import type { Account, BitkaClient, Page } from '@bitka/client'
import { PlainError } from './people.ts'

export type Credit = { userId: string; amount: string; asset: string }

/** Credits somebody as the operator, and answers what they have then. Their account is opened by looking at it. */
export async function creditUser(operator: BitkaClient, { userId, amount, asset }: Credit): Promise<Account> {
  const account = await accountOf(operator, { user_id: userId }, asset)
  if (!account) throw new PlainError(`There is no asset ${asset}.`)
  await operator.ledger.createTransaction({ account_id: account.id, type: 'credit', amount, asset })
  return await operator.ledger.account(account.id)
}

export async function accountOf(
  client: BitkaClient,
  query: { user_id?: string },
  asset: string,
): Promise<Account | undefined> {
  const { items }: Page<Account> = await client.ledger.accounts({ ...query, asset })
  return items[0]
}
