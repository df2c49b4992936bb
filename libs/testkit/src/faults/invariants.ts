import pg from 'pg'

/** One rule that the database must satisfy whenever nothing is under way: a query that answers the rows that break it. */
type Rule = { name: string; sql: string }

/** The last change of each hold says what it has left. */
const HOLDS_NOW = `
  select distinct on (hold_id) hold_id, account_id, remaining_after
  from ledger.hold_changes order by hold_id, number desc`

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
    name: 'no user owes anything',
    sql: `select id, available, locked from ledger.accounts where owner_kind = 'user' and (available < 0 or locked < 0)`,
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
    name: 'every fill of an order is settled once',
    sql: `with filled as (select user_id::text as user_id, symbol, count(*) as fills from "order".fills group by 1, 2),
          settled as (
            select a.owner_id as user_id, t.symbol, count(distinct t.id) as trades
            from ledger.transactions t
            join ledger.postings p on p.tx_id = t.id and p.kind = 'trade'
            join ledger.accounts a on a.id = p.account_id and a.owner_kind = 'user'
            where t.kind = 'trade' group by 1, 2)
          select user_id, symbol, fills, trades from filled full join settled using (user_id, symbol)
          where fills is distinct from trades`,
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
    name: 'commands are numbered without gaps',
    sql: `select symbol, count(*), max(command_seq) from "order".orders where command_seq is not null
          group by 1 having count(distinct command_seq) <> count(*)`,
  },
]

export type Broken = { rule: string; rows: unknown[] }

/** Checks every rule; answers those that do not hold, with some of the rows that show it. */
export async function brokenInvariants(adminUrl: string): Promise<Broken[]> {
  const client = new pg.Client({ connectionString: adminUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const broken: Broken[] = []
    for (const { name, sql } of rules) {
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
