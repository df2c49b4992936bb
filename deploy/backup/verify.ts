import type { EventLog } from '@bitka/events'
import pg from 'pg'
import { firstBreakOfAudit } from './audit-chain.ts'
import { logInDatabase, newestCommands, positionsBeyond, unknownCommands } from './verify-log.ts'

/** A promise about the data, as a query for the rows that break it. Each holds at any moment of a running exchange. */
type Check = { name: string; sql: string }

export type VerifyOptions = {
  /** URL of an admin, with the exchange's database. */
  url: string
  print: (line: string) => void
  /** Without it the log must be in the same database, or its checks say that they were skipped. */
  log?: EventLog
}

/** What each hold has left. */
const HOLDS_NOW = `
  select distinct on (c.hold_id) c.hold_id, c.account_id, c.remaining_after as remaining, h.symbol
  from ledger.hold_changes c join ledger.holds h on h.id = c.hold_id order by c.hold_id, c.number desc`

/** How far each market is settled by the ledger, and how far its results are known to order. */
const POSITIONS = `
  select m.symbol, coalesce(p.last_result_number, 0) as shown, coalesce(s.result_number, 0) as settled
  from "order".markets m left join "order".market_positions p using (symbol)
  left join ledger.settlement_positions s using (symbol)`

const checks: readonly Check[] = [
  {
    name: 'every transaction sums to zero per asset',
    sql: `select p.tx_id, a.asset, sum(p.amount) from ledger.postings p join ledger.accounts a on a.id = p.account_id
          group by 1, 2 having sum(p.amount) <> 0`,
  },
  {
    name: 'the balances of all accounts sum to zero per asset',
    sql: `select asset, sum(available + locked) from ledger.accounts group by 1 having sum(available + locked) <> 0`,
  },
  {
    name: 'every balance is the sum of its postings',
    sql: `select a.id, a.available + a.locked as balance, coalesce(sum(p.amount), 0) as posted
          from ledger.accounts a left join ledger.postings p on p.account_id = a.id
          group by a.id having a.available + a.locked <> coalesce(sum(p.amount), 0)`,
  },
  {
    name: 'every posting belongs to an account and a transaction',
    sql: `select p.id from ledger.postings p left join ledger.accounts a on a.id = p.account_id
          left join ledger.transactions t on t.id = p.tx_id where a.id is null or t.id is null`,
  },
  {
    name: 'the postings of an account are numbered without gaps',
    sql: `select a.id, a.posting_count, count(p.id), max(p.number) from ledger.accounts a
          left join ledger.postings p on p.account_id = a.id
          group by a.id having count(p.id) <> a.posting_count or coalesce(max(p.number), 0) <> a.posting_count`,
  },
  {
    name: 'nobody owes anything, but for the accounts that stand for the world outside',
    sql: `select id, available, locked from ledger.accounts
          where owner_id not in ('external', 'custody_pending') and (available < 0 or locked < 0)`,
  },
  {
    name: 'what is held is what the open holds have left',
    sql: `select a.id, a.locked, coalesce(h.remaining, 0) as held from ledger.accounts a
          left join (select account_id, sum(remaining) as remaining from (${HOLDS_NOW}) now group by 1) h
            on h.account_id = a.id
          where a.owner_kind = 'user' and a.locked <> coalesce(h.remaining, 0)`,
  },
  {
    // An order that has ended may still have its hold until the ledger has settled the result that ended it.
    name: 'no hold is left without an open order',
    sql: `select now.hold_id, now.remaining, o.state from (${HOLDS_NOW}) now
          left join "order".orders o on o.id = now.hold_id left join (${POSITIONS}) at on at.symbol = now.symbol
          where now.remaining > 0 and (o.id is null or (
            o.state not in ('pending', 'submitted', 'open', 'partially_filled')
            and not o.release_due and at.shown <= at.settled))`,
  },
  {
    // The other way round, while the ledger is ahead of order.
    name: 'every open order has a hold',
    sql: `select o.id, o.state from "order".orders o join (${POSITIONS}) at on at.symbol = o.symbol
          left join (${HOLDS_NOW}) now on now.hold_id = o.id
          where o.state in ('open', 'partially_filled') and coalesce(now.remaining, 0) <= 0
            and at.settled <= at.shown`,
  },
  {
    // Both follow the same results; the one that is ahead has trades that the other will get.
    name: 'what fills say is what was posted, once',
    sql: `with filled as (
            select user_id::text as owner, symbol, trade_number, split_part(symbol, '-', 2) as asset, 'trade' as kind,
              case side when 1 then -quote_amount else quote_amount end as amount
            from "order".fills where quote_amount <> 0
            union all
            select user_id::text, symbol, trade_number, fee_asset, 'fee', -fee from "order".fills where fee <> 0),
          posted as (
            select a.owner_id as owner, t.symbol, (t.metadata ->> 'trade_number')::bigint as trade_number, a.asset, p.kind,
              p.amount
            from ledger.postings p join ledger.transactions t on t.id = p.tx_id join ledger.accounts a on a.id = p.account_id
            where t.kind = 'trade' and a.owner_kind = 'user'
              and (p.kind = 'fee' or a.asset = split_part(t.symbol, '-', 2))),
          both_have as (
            select symbol, least(max(trade_number), (select max((t.metadata ->> 'trade_number')::bigint)
              from ledger.transactions t where t.kind = 'trade' and t.symbol = f.symbol)) as until
            from "order".fills f group by symbol),
          f as (select filled.* from filled join both_have b using (symbol) where trade_number <= b.until),
          p as (select posted.* from posted join both_have b using (symbol) where trade_number <= b.until)
          (table f except all table p) union all (table p except all table f)`,
  },
  {
    name: 'filled quantities are the sum of fills',
    sql: `select o.id, o.filled_lots, coalesce(sum(f.quantity_lots), 0) from "order".orders o
          left join "order".fills f on f.order_id = o.id
          group by o.id having o.filled_lots <> coalesce(sum(f.quantity_lots), 0)`,
  },
  {
    name: 'no market has answers to commands that were not given',
    sql: `select p.symbol, p.last_command_seq, m.next_command_seq from "order".market_positions p
          join "order".markets m using (symbol) where p.last_command_seq >= m.next_command_seq`,
  },
]

/**
 * Checks a database that was restored, and prints a line a check, then what each asset sums to.
 * @throws at the first check that fails, after its line
 */
export async function verify({ url, print, log }: VerifyOptions): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'verify', statement_timeout: 0 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    // Before the snapshot: what is in the log by now was in the database before.
    const commands = log && (await newestCommands(log))
    // One snapshot: the checks may look at a database in use.
    await client.query('begin isolation level repeatable read read only')
    for (const { name, sql } of checks) {
      const { rows } = await client.query(`${sql} limit 5`)
      conclude(print, name, rows)
    }
    const broken = await firstBreakOfAudit(client)
    conclude(print, 'the audit log is one unbroken chain', broken === undefined ? [] : [broken])
    const ends = log ? (topic: string) => log.latestOffsets(topic) : await logInDatabase(client)
    const ahead = 'no event position is ahead of the log'
    if (ends) conclude(print, ahead, (await positionsBeyond(client, ends)).slice(0, 5))
    else print(`-     ${ahead}: skipped, the log is not in this database`)
    if (commands) {
      conclude(print, 'the log has no command that the database never gave', await unknownCommands(client, commands))
    }
    await printSums(client, print)
    await client.query('commit')
  } finally {
    await client.end()
  }
}

function conclude(print: (line: string) => void, name: string, wrong: readonly unknown[]): void {
  if (wrong.length === 0) {
    print(`ok    ${name}`)
    return
  }
  print(`WRONG ${name}: ${JSON.stringify(wrong)}`)
  throw new Error(`the database is wrong: not true that ${name}`)
}

async function printSums(client: pg.Client, print: (line: string) => void): Promise<void> {
  const { rows } = await client.query<Record<'asset' | 'users' | 'exchange' | 'total', string>>(
    `select asset, sum(available + locked) filter (where owner_kind = 'user') as users,
       sum(available + locked) filter (where owner_kind <> 'user') as exchange, sum(available + locked) as total
     from ledger.accounts group by asset order by asset`,
  )
  for (const { asset, users, exchange, total } of rows) {
    print(`sum   ${asset}: users ${users ?? 0}, the exchange's own accounts ${exchange ?? 0}, all ${total}`)
  }
}
