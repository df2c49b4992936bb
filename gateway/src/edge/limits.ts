import { createHash } from 'node:crypto'
import type { UserIdentity } from '@bitka/mesh'
import type { Message } from '@bufbuild/protobuf'
import type { GatewayConfig } from '../config.ts'
import type { PublicMethod } from '../methods.ts'
import { Refusal } from '../rest/errors.ts'
import { addressKey, networkKey } from './address.ts'
import type { Budget, Consumed, Limiter } from './limiter.ts'

type Budgets = Record<'anonymous' | 'user' | 'orders' | 'signInAccount' | 'signInAddress' | 'registration', Budget>

/** A fixed window of burst ÷ rate seconds lets `burst` through at once and `rate` a second on average. */
function budgets(config: GatewayConfig): Budgets {
  const scale = config.BITKA_RATE_LIMIT_SCALE
  const budget = (name: string, points: number, windowS: number): Budget => ({
    name,
    points: Math.max(1, Math.round(points * scale)),
    windowS,
  })
  const registrations = config.BITKA_LIMIT_REGISTRATION_PER_HOUR ?? (config.BITKA_PROFILE === 'demo' ? 600 : 30)
  const burstS = Math.max(1, Math.round(config.BITKA_LIMIT_ORDERS_BURST / config.BITKA_LIMIT_ORDERS_PER_SECOND))
  return {
    anonymous: budget('anonymous', config.BITKA_LIMIT_ANONYMOUS_PER_MINUTE, 60),
    user: budget('user', config.BITKA_LIMIT_USER_PER_MINUTE, 60),
    orders: budget('orders', config.BITKA_LIMIT_ORDERS_BURST, burstS),
    signInAccount: budget('sign-in-account', config.BITKA_LIMIT_SIGN_IN_PER_ACCOUNT, 60),
    signInAddress: budget('sign-in-address', config.BITKA_LIMIT_SIGN_IN_PER_ADDRESS, 60),
    registration: budget('registration', registrations, 3600),
  }
}

/** Whose calls are counted. */
export type Counted = { address: string; user?: UserIdentity }

/** Takes each call from the budget that it belongs to, and refuses what is over. */
export class Limits {
  private readonly budgets: Budgets
  private readonly off: boolean

  constructor(
    private readonly limiter: Limiter,
    config: GatewayConfig,
    private readonly onRefused: (budget: string) => void = () => {},
  ) {
    this.budgets = budgets(config)
    this.off = config.BITKA_RATE_LIMIT_SCALE === 0
  }

  /** A call of a method, before its body is read. @throws Refusal 429 */
  admit({ limit, weight }: PublicMethod, { address, user }: Counted): Promise<Consumed[]> {
    const { anonymous, orders, registration, signInAddress } = this.budgets
    if (limit === 'sign-in') return this.take(signInAddress, addressKey(address), 1)
    if (limit === 'registration') return this.take(registration, addressKey(address), 1)
    if (user)
      return limit === 'orders' ? this.take(orders, user.userId, 1) : this.take(this.budgets.user, user.userId, weight)
    return this.take(anonymous, addressKey(address), weight)
  }

  /** Anything that is no call of a method: unknown addresses, bad tokens, openings of a WebSocket. @throws Refusal 429 */
  admitAnonymous(address: string): Promise<Consumed[]> {
    return this.take(this.budgets.anonymous, addressKey(address), 1)
  }

  /**
   * A sign-in, once it is known to which account. Counted per account and network, so that nobody locks a person out of
   * their own account from elsewhere. @throws Refusal 429
   */
  async admitSignIn(request: Message, address: string): Promise<Consumed[]> {
    const { identifier, mfaToken } = request as { identifier?: unknown; mfaToken?: unknown }
    const account = [identifier, mfaToken].find((value) => typeof value === 'string' && value !== '')
    if (typeof account !== 'string') return []
    // A hash: names and mail addresses have no place in a table that may be shared.
    const hash = createHash('sha256').update(account.trim().toLowerCase()).digest('base64url')
    return await this.take(this.budgets.signInAccount, `${hash} ${networkKey(address)}`, 1)
  }

  private async take(budget: Budget, key: string, points: number): Promise<Consumed[]> {
    if (this.off) return []
    const consumed = await this.limiter.consume(budget, key, points)
    if (consumed.allowed) return [consumed]
    this.onRefused(budget.name)
    throw tooMany(consumed)
  }
}

/** 429 with when to come back. */
function tooMany(consumed: Consumed): Refusal {
  const headers = { ...limitHeaders([consumed]), 'Retry-After': String(seconds(consumed.resetMs)) }
  const message = 'Too many requests. Try again later.'
  return new Refusal({ status: 429, code: 'RATE_LIMITED', message, headers }, 'rate_limited')
}

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000))

/** RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers). */
export function limitHeaders(all: readonly Consumed[]): Record<string, string> {
  if (all.length === 0) return {}
  return {
    'RateLimit-Policy': all.map(({ budget }) => `"${budget.name}";q=${budget.points};w=${budget.windowS}`).join(', '),
    RateLimit: all
      .map(({ budget, remaining, resetMs }) => `"${budget.name}";r=${remaining};t=${seconds(resetMs)}`)
      .join(', '),
  }
}
