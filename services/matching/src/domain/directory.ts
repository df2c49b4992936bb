import { assert } from '@bitka/kernel'

type User = { readonly number: number; openOrders: number }

/**
 * The only place that knows ids: order and user ids on the outside, slots, command_seqs and small user numbers on the inside.
 * A user has a number while it has an order, so that memory follows what is open.
 */
export class Directory {
  private readonly seqs = new Map<string, number>()
  private readonly users = new Map<string, User>()
  private readonly freeNumbers: number[] = []
  private readonly orderIds: string[] = []
  private readonly userIds: string[] = []

  /** The command_seq of an open order. */
  seqOf(orderId: string): number | undefined {
    return this.seqs.get(orderId)
  }

  /** The number of a user with an open order. */
  userNumber(userId: string): number | undefined {
    return this.users.get(userId)?.number
  }

  /** The number that the user has or gets; `add` must follow. */
  claimUser(userId: string): number {
    const known = this.users.get(userId)
    if (known) return known.number
    const number = this.freeNumbers.pop() ?? this.users.size
    this.users.set(userId, { number, openOrders: 0 })
    return number
  }

  add(slot: number, seq: number, orderId: string, userId: string): void {
    const user = this.users.get(userId)
    assert(user, 'a user is claimed before its order is added')
    user.openOrders += 1
    this.seqs.set(orderId, seq)
    while (this.orderIds.length < slot) {
      this.orderIds.push('')
      this.userIds.push('')
    }
    this.orderIds[slot] = orderId
    this.userIds[slot] = userId
  }

  remove(slot: number): void {
    const userId = this.userIdOf(slot)
    this.seqs.delete(this.orderIdOf(slot))
    this.orderIds[slot] = ''
    this.userIds[slot] = ''
    const user = this.users.get(userId)
    if (!user) return
    user.openOrders -= 1
    if (user.openOrders > 0) return
    this.users.delete(userId)
    this.freeNumbers.push(user.number)
  }

  orderIdOf(slot: number): string {
    return this.orderIds[slot] as string
  }

  userIdOf(slot: number): string {
    return this.userIds[slot] as string
  }
}
