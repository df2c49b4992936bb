import pg from 'pg'

/** One rule that the database must satisfy whenever nothing is under way: a query that answers the rows that break it. */
type Rule = { name: string; sql: string; log?: 'postgres' }

/** The last change of each hold says what it has left. */
const HOLDS_NOW = `
  select distinct on (hold_id) hold_id, account_id, remaining_after
  from ledger.hold_changes order by hold_id, number desc`

/** The records of a topic of the PostgreSQL log, by market, with the number of their command. */
const LOGGED = (topic: string): string => `
  select r.key, (r.headers ->> 'command_seq')::bigint as seq from event_log.records r
  join event_log.topics t on t.id = r.topic_id where t.name = '${topic}'`

/** The promises of ledger.md and trading.md as SQL over all schemas. Only an admin of the database can ask. */
const rules: readonly Rule[] = [
  {
    name: 'every transaction sums to zero per asset',
    sql: `select p.tx_id, a.asset, sum(p.amount) from ledger.postings p join ledger.accounts a on a.id = p.account_id
          group by 1, 2 having sum(p.amount) <> 0`,
  },
  {
    name: 'money is conserved per asset',
    sql: `select asset, sum(available + locked) from ledger.accounts group by 1 having sum(available + locked) <> 0`,
  },
  {
    name: 'every balance is the sum of its postings',
    sql: `select a.id, a.available + a.locked as balance, coalesce(sum(p.amount), 0) as posted
          from ledger.accounts a left join ledger.postings p on p.account_id = a.id
          group by a.id having a.available + a.locked <> coalesce(sum(p.amount), 0)`,
  },
  {
    name: 'nobody owes anything, but for the accounts that stand for the world outside',
    sql: `select id, owner_id, available, locked from ledger.accounts
          where owner_id not in ('external', 'custody_pending') and (available < 0 or locked < 0)`,
  },
  {
    name: 'postings of an account are numbered without gaps',
    sql: `select account_id, count(*), max(number) from ledger.postings group by 1 having count(*) <> max(number)`,
  },
  {
    name: 'what is locked is what holds have left',
    sql: `select a.id, a.locked, coalesce(h.remaining, 0) as held from ledger.accounts a
          left join (select account_id, sum(remaining_after) as remaining from (${HOLDS_NOW}) now group by 1) h
            on h.account_id = a.id
          where a.owner_kind = 'user' and a.locked <> coalesce(h.remaining, 0)`,
  },
  {
    name: 'no hold is left without an open order',
    sql: `select now.hold_id, now.remaining_after, o.state from (${HOLDS_NOW}) now
          left join "order".orders o on o.id = now.hold_id
          where now.remaining_after > 0 and (o.state is null or o.state not in ('open', 'partially_filled'))`,
  },
  {
    name: 'every open order has a hold',
    sql: `select o.id, o.state from "order".orders o left join (${HOLDS_NOW}) now on now.hold_id = o.id
          where o.state in ('open', 'partially_filled') and coalesce(now.remaining_after, 0) <= 0`,
  },
  {
    name: 'no order is left on its way',
    sql: `select id, state from "order".orders where state in ('pending', 'submitted') or release_due`,
  },
  {
    // Both copy what matching computed. The base that changes hands is not in a fill; its fee is.
    name: 'what fills say is what was posted, once',
    sql: `with wanted as (
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
              and (p.kind = 'fee' or a.asset = split_part(t.symbol, '-', 2)))
          (table wanted except all table posted) union all (table posted except all table wanted)`,
  },
  {
    name: 'the exchange has the fees and the rounding of all fills',
    sql: `with wanted as (
            select 'fees' as name, fee_asset as asset, sum(fee) as amount from "order".fills group by 2
            union all
            select 'rounding', split_part(symbol, '-', 2), sum(case side when 1 then quote_amount else -quote_amount end)
            from "order".fills group by 2)
          select w.*, a.available from wanted w
          join ledger.accounts a on a.owner_kind = 'system' and a.owner_id = w.name and a.asset = w.asset
          where a.available <> w.amount`,
  },
  {
    name: 'no order paid more than was held for it',
    sql: `select o.id, o.hold_amount, sum(f.quote_amount) from "order".orders o join "order".fills f on f.order_id = o.id
          where o.side = 1 group by o.id having sum(f.quote_amount) > o.hold_amount`,
  },
  {
    name: 'filled quantities are the sum of fills',
    sql: `select o.id, o.filled_lots, coalesce(sum(f.quantity_lots), 0) from "order".orders o
          left join "order".fills f on f.order_id = o.id
          group by o.id having o.filled_lots <> coalesce(sum(f.quantity_lots), 0)`,
  },
  {
    name: 'a trade has two fills',
    sql: `select symbol, trade_number, count(*) from "order".fills group by 1, 2 having count(*) <> 2`,
  },
  {
    name: 'every command is in the log, numbered without gaps',
    log: 'postgres',
    sql: `select m.symbol, m.next_command_seq, count(distinct l.seq), max(l.seq) from "order".markets m
          left join (${LOGGED('trading.orders.commands')}) l on l.key = m.symbol
          group by 1, 2 having count(distinct l.seq) <> m.next_command_seq - 1 or max(l.seq) <> m.next_command_seq - 1`,
  },
  {
    name: 'every command has its results in the log, once',
    log: 'postgres',
    sql: `select m.symbol, m.next_command_seq, count(l.seq), max(l.seq) from "order".markets m
          left join (${LOGGED('trading.matches.executed')}) l on l.key = m.symbol
          group by 1, 2 having count(l.seq) <> m.next_command_seq - 1 or max(l.seq) <> m.next_command_seq - 1`,
  },
  {
    name: 'ledger and order have come equally far',
    sql: `select p.symbol, p.last_result_number, s.result_number from "order".market_positions p
          left join ledger.settlement_positions s using (symbol) where p.last_result_number is distinct from s.result_number`,
  },
]

export type Broken = { rule: string; rows: unknown[] }

/**
 * Checks every rule; answers those that do not hold, with some of the rows that show it. Where the log is not in PostgreSQL
 * its rules are for the caller to check.
 */
export async function brokenInvariants(
  adminUrl: string,
  { log = 'postgres' }: { log?: 'postgres' | 'kafka' } = {},
): Promise<Broken[]> {
  const client = new pg.Client({ connectionString: adminUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const broken: Broken[] = []
    for (const { name, sql } of rules.filter((rule) => rule.log === undefined || rule.log === log)) {
      const { rows } = await client.query(`${sql} limit 5`)
      if (rows.length > 0) broken.push({ rule: name, rows })
    }
    return broken
  } finally {
    await client.end()
  }
}

/** The visible book as the open orders say it: `${symbol} ${side} ${priceTicks}` → lots. */
export async function bookOfOpenOrders(adminUrl: string): Promise<Map<string, bigint>> {
  const client = new pg.Client({ connectionString: adminUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<{ level: string; lots: string }>(
      `select symbol || case side when 1 then ' bid ' else ' ask ' end || price_ticks as level,
         sum(quantity_lots - filled_lots - reduced_lots)::text as lots
       from "order".orders where state in ('open', 'partially_filled') group by 1`,
    )
    return new Map(rows.map(({ level, lots }) => [level, BigInt(lots)]))
  } finally {
    await client.end()
  }
}
