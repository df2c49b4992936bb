import { DomainError } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import type { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { Balance } from '../balances.ts'
import type { LedgerContext } from '../context.ts'
import { type AccountView, pageOfAccounts } from '../store/account-views.ts'
import { toBalance } from './encode.ts'

/** How often a stream looks at the rows themselves, for changes that another process made or whose call got lost. */
const RESYNC_MS = 10_000
const EVERY_ACCOUNT = { limit: 10_000, offset: 0 }

/** The caller's balances: all of them, then each change, the newest state of an account only. Ends with the access token. */
export const streamBalances = ({
  db,
  clock,
  balances,
}: LedgerContext): MethodImpl<typeof LedgerService.method.streamBalances> =>
  async function* (_, ctx) {
    const { userId, expiresAtMs } = userOf(ctx)
    const feed = balances.subscribe(userId)
    const sent = new Map<string, bigint>()
    const newer = (changes: Balance[]): Balance[] =>
      changes.filter(({ accountId, version }) => {
        if (version <= (sent.get(accountId) ?? -1n)) return false
        sent.set(accountId, version)
        return true
      })
    const read = async () => (await pageOfAccounts(db, userId, undefined, EVERY_ACCOUNT)).map(toChange)
    try {
      // Subscribed before this is read, so nothing falls in between.
      yield { snapshot: true, items: newer(await read()).map(toBalance) }
      let resyncAt = performance.now() + RESYNC_MS
      while (!ctx.signal.aborted) {
        const expiresInMs = expiresAtMs - clock.nowMs()
        if (expiresInMs <= 0) throw new DomainError('unauthenticated', 'The access token has expired.')
        const changes = await feed.take(Math.max(1, Math.min(resyncAt - performance.now(), expiresInMs)), ctx.signal)
        if (feed.takeBehind() || performance.now() >= resyncAt) {
          changes.push(...(await read()))
          resyncAt = performance.now() + RESYNC_MS
        }
        const news = newer(changes)
        if (news.length > 0) yield { snapshot: false, items: news.map(toBalance) }
      }
    } finally {
      feed.close()
    }
  }

const toChange = ({ id, asset, decimals, available, locked, version }: AccountView): Balance => ({
  accountId: id,
  asset,
  decimals,
  available,
  locked,
  version,
})
